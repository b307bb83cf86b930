-- Up Migration

-- The application writes what the service owns, and reads the copies of what other services own.
GRANT SELECT, INSERT, UPDATE, DELETE ON policies, synthesis_results, llm_interactions TO synthesis_app;
GRANT SELECT ON users, audit_logs TO synthesis_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON policies, synthesis_results, llm_interactions, users, audit_logs TO synthesis_projector;
GRANT SELECT ON policies, synthesis_results, llm_interactions, users, audit_logs TO synthesis_verifier;

-- Down Migration

REVOKE ALL ON policies, synthesis_results, llm_interactions, users, audit_logs FROM synthesis_app, synthesis_projector, synthesis_verifier;
