-- Of the commands: what an administrator asks, never a request.

-- name: cli_keys
-- scan: a list of all keys
SELECT key_id, scopes, learner, name, created_at, expires_at, revoked_at FROM api_keys
 ORDER BY created_at, key_id;

-- name: cli_engine_version
-- engine: sqlite
SELECT sqlite_version(), 0;
-- engine: postgres
SELECT current_setting('server_version'), current_setting('server_version_num')::bigint;

-- name: cli_integrity
-- engine: sqlite
PRAGMA quick_check(1);
-- engine: postgres
SELECT 'ok'::text;
