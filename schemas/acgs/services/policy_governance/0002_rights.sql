-- Up Migration

-- The application writes what the service owns, and reads the copies of what other services own.
GRANT SELECT, INSERT, UPDATE, DELETE ON governance_rules, opa_policies TO governance_app;
GRANT SELECT, INSERT ON enforcement_logs TO governance_app;
GRANT SELECT ON users, policies TO governance_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON governance_rules, enforcement_logs, opa_policies, users, policies TO governance_projector;
GRANT SELECT ON governance_rules, enforcement_logs, opa_policies, users, policies TO governance_verifier;

-- Down Migration

REVOKE ALL ON governance_rules, enforcement_logs, opa_policies, users, policies FROM governance_app, governance_projector, governance_verifier;
