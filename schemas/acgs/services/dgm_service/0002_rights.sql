-- Up Migration

-- The application writes what the service owns, and reads the copies of what other services own.
GRANT SELECT, INSERT, UPDATE, DELETE ON improvements, self_modifications TO dgm_app;
GRANT SELECT, INSERT ON evolution_logs TO dgm_app;
GRANT SELECT ON audit_logs, users TO dgm_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON improvements, evolution_logs, self_modifications, audit_logs, users TO dgm_projector;
GRANT SELECT ON improvements, evolution_logs, self_modifications, audit_logs, users TO dgm_verifier;

-- Down Migration

REVOKE ALL ON improvements, evolution_logs, self_modifications, audit_logs, users FROM dgm_app, dgm_projector, dgm_verifier;
