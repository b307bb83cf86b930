-- Up Migration

CREATE TABLE auth_roles (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  description text NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE auth_users (
  id uuid PRIMARY KEY,
  role_id uuid REFERENCES auth_roles ON DELETE SET NULL,
  username text NOT NULL UNIQUE,
  email text NOT NULL UNIQUE,
  full_name text NOT NULL,
  password_hash text NOT NULL,
  is_active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX auth_users_role ON auth_users (role_id);

CREATE TABLE auth_permissions (
  id uuid PRIMARY KEY,
  role_id uuid NOT NULL REFERENCES auth_roles,
  resource text NOT NULL,
  action text NOT NULL CHECK (action IN ('read', 'write', 'approve', 'administer')),
  granted_at timestamptz NOT NULL,
  UNIQUE (role_id, resource, action)
);

CREATE TABLE auth_sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES auth_users,
  client_ip inet NOT NULL,
  user_agent text NOT NULL,
  started_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz
);
CREATE INDEX auth_sessions_user ON auth_sessions (user_id);

-- A chain of the audit log, and its last link.
CREATE TABLE integrity_hash_chains (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  description text NOT NULL,
  entries bigint NOT NULL DEFAULT 0,
  head_hash bytea,
  created_at timestamptz NOT NULL,
  CHECK ((entries = 0) = (head_hash IS NULL))
);

-- What an entry's hash is made of: all that it says, and the hash of the entry before it.
CREATE FUNCTION audit_entry_hash(
  chain_id uuid,
  sequence_number bigint,
  user_id uuid,
  session_id uuid,
  service text,
  action text,
  entity_type text,
  entity_id uuid,
  details jsonb,
  occurred_at timestamptz,
  previous_hash bytea
) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to(jsonb_build_array(
  chain_id, sequence_number, user_id, session_id, service, action, entity_type, entity_id, details,
  extract(epoch FROM occurred_at), encode(previous_hash, 'hex')
)::text, 'UTF8'));

-- Entries are added and never changed. That a chain has no gap, no fork and no entry other than what was hashed is held by
-- constraints: each entry has the hash of its content, and refers to the entry before it by number and hash.
CREATE TABLE integrity_audit_logs (
  id bigint PRIMARY KEY,
  chain_id uuid NOT NULL REFERENCES integrity_hash_chains,
  sequence_number bigint NOT NULL,
  user_id uuid REFERENCES auth_users,
  session_id uuid REFERENCES auth_sessions,
  service text NOT NULL,
  action text NOT NULL,
  entity_type text NOT NULL,
  entity_id uuid,
  details jsonb NOT NULL,
  occurred_at timestamptz NOT NULL,
  previous_number bigint,
  previous_hash bytea,
  entry_hash bytea NOT NULL,
  UNIQUE (chain_id, sequence_number, entry_hash),
  CONSTRAINT audit_logs_fork UNIQUE (chain_id, sequence_number),
  CONSTRAINT audit_logs_number CHECK (sequence_number = coalesce(previous_number, 0) + 1),
  CONSTRAINT audit_logs_link CHECK ((previous_number IS NULL) = (previous_hash IS NULL)),
  CONSTRAINT audit_logs_content CHECK (entry_hash = audit_entry_hash(chain_id, sequence_number, user_id, session_id, service,
    action, entity_type, entity_id, details, occurred_at, previous_hash)),
  CONSTRAINT audit_logs_predecessor FOREIGN KEY (chain_id, previous_number, previous_hash)
    REFERENCES integrity_audit_logs (chain_id, sequence_number, entry_hash)
);
CREATE INDEX integrity_audit_logs_user ON integrity_audit_logs (user_id);
CREATE INDEX integrity_audit_logs_session ON integrity_audit_logs (session_id);
CREATE INDEX integrity_audit_logs_time ON integrity_audit_logs (occurred_at);

CREATE TABLE auth_tokens (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES auth_users,
  session_id uuid REFERENCES auth_sessions ON DELETE SET NULL,
  audit_log_id bigint NOT NULL REFERENCES integrity_audit_logs,
  kind text NOT NULL CHECK (kind IN ('access', 'refresh', 'service')),
  token_hash bytea NOT NULL UNIQUE,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);
CREATE INDEX auth_tokens_user ON auth_tokens (user_id);
CREATE INDEX auth_tokens_session ON auth_tokens (session_id);
CREATE INDEX auth_tokens_audit_log ON auth_tokens (audit_log_id);

CREATE TABLE integrity_checks (
  id uuid PRIMARY KEY,
  chain_id uuid NOT NULL REFERENCES integrity_hash_chains,
  checked_by uuid REFERENCES auth_users,
  first_number bigint NOT NULL,
  last_number bigint NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('whole', 'broken', 'running')),
  checked_at timestamptz NOT NULL,
  CHECK (first_number <= last_number)
);
CREATE INDEX integrity_checks_chain ON integrity_checks (chain_id);
CREATE INDEX integrity_checks_user ON integrity_checks (checked_by);

CREATE TABLE constitutional_principles (
  id uuid PRIMARY KEY,
  title text NOT NULL,
  body text NOT NULL,
  category text NOT NULL,
  weight numeric(5, 4) NOT NULL,
  is_active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE constitutional_validations (
  id uuid PRIMARY KEY,
  principle_id uuid NOT NULL REFERENCES constitutional_principles,
  session_id uuid REFERENCES auth_sessions,
  subject text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('passed', 'failed', 'undecided')),
  confidence double precision,
  validated_at timestamptz NOT NULL
);
CREATE INDEX constitutional_validations_principle ON constitutional_validations (principle_id);
CREATE INDEX constitutional_validations_session ON constitutional_validations (session_id);

CREATE TABLE constitutional_compliance_checks (
  id uuid PRIMARY KEY,
  principle_id uuid NOT NULL REFERENCES constitutional_principles,
  validation_id uuid REFERENCES constitutional_validations ON DELETE SET NULL,
  audit_log_id bigint NOT NULL REFERENCES integrity_audit_logs,
  is_compliant boolean NOT NULL,
  findings jsonb NOT NULL,
  checked_at timestamptz NOT NULL
);
CREATE INDEX constitutional_compliance_checks_principle ON constitutional_compliance_checks (principle_id);
CREATE INDEX constitutional_compliance_checks_validation ON constitutional_compliance_checks (validation_id);
CREATE INDEX constitutional_compliance_checks_audit_log ON constitutional_compliance_checks (audit_log_id);

CREATE TABLE verification_rules (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  expression text NOT NULL,
  severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 5),
  is_active boolean NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE verification_z3_models (
  id uuid PRIMARY KEY,
  rule_id uuid NOT NULL REFERENCES verification_rules,
  model text NOT NULL,
  variables text[] NOT NULL,
  is_satisfiable boolean,
  created_at timestamptz NOT NULL
);
CREATE INDEX verification_z3_models_rule ON verification_z3_models (rule_id);

CREATE TABLE verification_proof_results (
  id uuid PRIMARY KEY,
  rule_id uuid NOT NULL REFERENCES verification_rules,
  z3_model_id uuid REFERENCES verification_z3_models ON DELETE SET NULL,
  audit_log_id bigint NOT NULL REFERENCES integrity_audit_logs,
  outcome text NOT NULL CHECK (outcome IN ('proved', 'refuted', 'timeout')),
  solver_time interval NOT NULL,
  proven_at timestamptz NOT NULL
);
CREATE INDEX verification_proof_results_rule ON verification_proof_results (rule_id);
CREATE INDEX verification_proof_results_z3_model ON verification_proof_results (z3_model_id);
CREATE INDEX verification_proof_results_audit_log ON verification_proof_results (audit_log_id);

CREATE TABLE synthesis_policies (
  id uuid PRIMARY KEY,
  author_id uuid NOT NULL REFERENCES auth_users,
  title text NOT NULL,
  version integer NOT NULL,
  body text NOT NULL,
  status text NOT NULL CHECK (status IN ('draft', 'proposed', 'in_force', 'repealed')),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX synthesis_policies_author ON synthesis_policies (author_id);

CREATE TABLE synthesis_results (
  id uuid PRIMARY KEY,
  policy_id uuid NOT NULL REFERENCES synthesis_policies,
  audit_log_id bigint NOT NULL REFERENCES integrity_audit_logs,
  score numeric(6, 5) NOT NULL,
  summary text NOT NULL,
  produced_at timestamptz NOT NULL
);
CREATE INDEX synthesis_results_policy ON synthesis_results (policy_id);
CREATE INDEX synthesis_results_audit_log ON synthesis_results (audit_log_id);

CREATE TABLE synthesis_llm_interactions (
  id uuid PRIMARY KEY,
  result_id uuid REFERENCES synthesis_results ON DELETE SET NULL,
  user_id uuid NOT NULL REFERENCES auth_users,
  model text NOT NULL,
  prompt text NOT NULL,
  response text,
  prompt_tokens integer NOT NULL,
  response_tokens integer NOT NULL,
  occurred_at timestamptz NOT NULL
);
CREATE INDEX synthesis_llm_interactions_result ON synthesis_llm_interactions (result_id);
CREATE INDEX synthesis_llm_interactions_user ON synthesis_llm_interactions (user_id);

CREATE TABLE governance_rules (
  id uuid PRIMARY KEY,
  policy_id uuid NOT NULL REFERENCES synthesis_policies,
  created_by uuid NOT NULL REFERENCES auth_users,
  name text NOT NULL UNIQUE,
  effect text NOT NULL CHECK (effect IN ('allow', 'deny', 'review')),
  priority smallint NOT NULL,
  condition jsonb NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX governance_rules_policy ON governance_rules (policy_id);
CREATE INDEX governance_rules_user ON governance_rules (created_by);

-- Rows are added and never changed.
CREATE TABLE governance_enforcement_logs (
  id uuid PRIMARY KEY,
  rule_id uuid NOT NULL REFERENCES governance_rules,
  user_id uuid REFERENCES auth_users,
  decision text NOT NULL CHECK (decision IN ('allowed', 'denied', 'escalated')),
  reason text NOT NULL,
  enforced_at timestamptz NOT NULL
);
CREATE INDEX governance_enforcement_logs_rule ON governance_enforcement_logs (rule_id);
CREATE INDEX governance_enforcement_logs_user ON governance_enforcement_logs (user_id);

CREATE TABLE governance_opa_policies (
  id uuid PRIMARY KEY,
  rule_id uuid NOT NULL UNIQUE REFERENCES governance_rules,
  package_name text NOT NULL UNIQUE,
  rego text NOT NULL,
  version integer NOT NULL,
  compiled_at timestamptz NOT NULL
);

CREATE TABLE council_members (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL UNIQUE REFERENCES auth_users,
  title text NOT NULL,
  weight numeric(4, 2) NOT NULL,
  joined_on date NOT NULL,
  left_on date
);

CREATE TABLE council_decisions (
  id uuid PRIMARY KEY,
  policy_id uuid NOT NULL REFERENCES synthesis_policies,
  proposed_by uuid NOT NULL REFERENCES council_members,
  title text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('open', 'adopted', 'rejected')),
  decided_at timestamptz
);
CREATE INDEX council_decisions_policy ON council_decisions (policy_id);
CREATE INDEX council_decisions_member ON council_decisions (proposed_by);

CREATE TABLE council_voting_records (
  decision_id uuid NOT NULL REFERENCES council_decisions,
  member_id uuid NOT NULL REFERENCES council_members,
  vote text NOT NULL CHECK (vote IN ('yes', 'no', 'abstain')),
  comment text,
  cast_at timestamptz NOT NULL,
  PRIMARY KEY (decision_id, member_id)
);
CREATE INDEX council_voting_records_member ON council_voting_records (member_id);

CREATE TABLE dgm_improvements (
  id uuid PRIMARY KEY,
  proposed_by uuid NOT NULL REFERENCES auth_users,
  title text NOT NULL,
  description text NOT NULL,
  status text NOT NULL CHECK (status IN ('proposed', 'trial', 'adopted', 'rolled_back')),
  expected_gain numeric(8, 4) NOT NULL,
  proposed_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX dgm_improvements_user ON dgm_improvements (proposed_by);

-- Rows are added and never changed.
CREATE TABLE dgm_evolution_logs (
  id uuid PRIMARY KEY,
  improvement_id uuid NOT NULL REFERENCES dgm_improvements,
  audit_log_id bigint NOT NULL REFERENCES integrity_audit_logs,
  generation integer NOT NULL,
  fitness double precision NOT NULL,
  details jsonb NOT NULL,
  logged_at timestamptz NOT NULL
);
CREATE INDEX dgm_evolution_logs_improvement ON dgm_evolution_logs (improvement_id);
CREATE INDEX dgm_evolution_logs_audit_log ON dgm_evolution_logs (audit_log_id);

CREATE TABLE dgm_self_modifications (
  id uuid PRIMARY KEY,
  improvement_id uuid NOT NULL REFERENCES dgm_improvements,
  target text NOT NULL,
  patch text NOT NULL,
  patch_back text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'applied', 'rolled_back')),
  applied_at timestamptz,
  rolled_back_at timestamptz
);
CREATE INDEX dgm_self_modifications_improvement ON dgm_self_modifications (improvement_id);

-- An entry takes its place at the end of its chain: the number, the hash before it and its own hash are given here. The chain's row
-- stays locked until the transaction ends, so that the entries of a chain commit in the order of their numbers, and ids rise with them.
CREATE SEQUENCE integrity_audit_logs_id;
CREATE FUNCTION append_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  chain integrity_hash_chains;
BEGIN
  SELECT * INTO STRICT chain FROM integrity_hash_chains WHERE id = NEW.chain_id FOR UPDATE;
  NEW.id := nextval('integrity_audit_logs_id');
  NEW.sequence_number := chain.entries + 1;
  NEW.previous_number := nullif(chain.entries, 0);
  NEW.previous_hash := chain.head_hash;
  NEW.entry_hash := audit_entry_hash(NEW.chain_id, NEW.sequence_number, NEW.user_id, NEW.session_id, NEW.service, NEW.action,
    NEW.entity_type, NEW.entity_id, NEW.details, NEW.occurred_at, NEW.previous_hash);
  UPDATE integrity_hash_chains SET entries = NEW.sequence_number, head_hash = NEW.entry_hash WHERE id = NEW.chain_id;
  RETURN NEW;
END
$$;
CREATE TRIGGER integrity_audit_logs_append BEFORE INSERT ON integrity_audit_logs
  FOR EACH ROW EXECUTE FUNCTION append_audit_entry();

-- The head of a chain is moved by new entries and by nothing else.
CREATE FUNCTION refuse_moved_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() = 1 THEN
    RAISE EXCEPTION 'the head of a chain is moved by its entries only' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER integrity_hash_chains_head BEFORE UPDATE OF entries, head_hash ON integrity_hash_chains
  FOR EACH ROW EXECUTE FUNCTION refuse_moved_head();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

-- Also in a session that replicates, where other triggers are silent. A row that is written again as it is (a backfill does so)
-- is no change.
CREATE TRIGGER integrity_audit_logs_unchanged BEFORE UPDATE ON integrity_audit_logs
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER integrity_audit_logs_kept BEFORE DELETE ON integrity_audit_logs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER integrity_audit_logs_not_emptied BEFORE TRUNCATE ON integrity_audit_logs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE integrity_audit_logs ENABLE ALWAYS TRIGGER integrity_audit_logs_unchanged, ENABLE ALWAYS TRIGGER integrity_audit_logs_kept,
  ENABLE ALWAYS TRIGGER integrity_audit_logs_not_emptied;
CREATE TRIGGER governance_enforcement_logs_unchanged BEFORE UPDATE ON governance_enforcement_logs
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER governance_enforcement_logs_kept BEFORE DELETE ON governance_enforcement_logs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER governance_enforcement_logs_not_emptied BEFORE TRUNCATE ON governance_enforcement_logs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE governance_enforcement_logs ENABLE ALWAYS TRIGGER governance_enforcement_logs_unchanged, ENABLE ALWAYS TRIGGER governance_enforcement_logs_kept,
  ENABLE ALWAYS TRIGGER governance_enforcement_logs_not_emptied;
CREATE TRIGGER dgm_evolution_logs_unchanged BEFORE UPDATE ON dgm_evolution_logs
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER dgm_evolution_logs_kept BEFORE DELETE ON dgm_evolution_logs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER dgm_evolution_logs_not_emptied BEFORE TRUNCATE ON dgm_evolution_logs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE dgm_evolution_logs ENABLE ALWAYS TRIGGER dgm_evolution_logs_unchanged, ENABLE ALWAYS TRIGGER dgm_evolution_logs_kept,
  ENABLE ALWAYS TRIGGER dgm_evolution_logs_not_emptied;
CREATE TRIGGER integrity_hash_chains_kept BEFORE DELETE ON integrity_hash_chains FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Down Migration

DROP TABLE dgm_self_modifications,
  dgm_evolution_logs,
  dgm_improvements,
  council_voting_records,
  council_decisions,
  council_members,
  governance_opa_policies,
  governance_enforcement_logs,
  governance_rules,
  synthesis_llm_interactions,
  synthesis_results,
  synthesis_policies,
  verification_proof_results,
  verification_z3_models,
  verification_rules,
  constitutional_compliance_checks,
  constitutional_validations,
  constitutional_principles,
  integrity_checks,
  auth_tokens,
  integrity_audit_logs,
  integrity_hash_chains,
  auth_sessions,
  auth_permissions,
  auth_users,
  auth_roles;
DROP SEQUENCE integrity_audit_logs_id;
DROP FUNCTION append_audit_entry, refuse_moved_head, refuse_change, audit_entry_hash;
