-- Up Migration

-- The application writes what the service owns, and reads the copies of what other services own.
GRANT SELECT, INSERT, UPDATE, DELETE ON verification_rules, z3_models, proof_results TO verification_app;
GRANT SELECT ON audit_logs TO verification_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON verification_rules, z3_models, proof_results, audit_logs TO verification_projector;
GRANT SELECT ON verification_rules, z3_models, proof_results, audit_logs TO verification_verifier;

-- Down Migration

REVOKE ALL ON verification_rules, z3_models, proof_results, audit_logs FROM verification_app, verification_projector, verification_verifier;
