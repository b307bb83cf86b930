-- Up Migration

-- The application writes what the service owns, and reads the copies of what other services own.
GRANT SELECT, INSERT, UPDATE, DELETE ON roles, users, permissions, sessions, tokens TO auth_app;
GRANT SELECT ON audit_logs TO auth_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON roles, users, permissions, sessions, tokens, audit_logs TO auth_projector;
GRANT SELECT ON roles, users, permissions, sessions, tokens, audit_logs TO auth_verifier;

-- Down Migration

REVOKE ALL ON roles, users, permissions, sessions, tokens, audit_logs FROM auth_app, auth_projector, auth_verifier;
