-- Keys. What is stored of a key is its public part and the SHA-256 of its secret.

-- name: api_key_get
-- args: text
SELECT secret_hash, scopes, learner, expires_at, revoked_at FROM api_keys WHERE key_id = $1;

-- name: api_key_put
-- args: text, blob, int, text, text, int, int
INSERT INTO api_keys (key_id, secret_hash, scopes, learner, name, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- The first revocation counts.
-- name: api_key_revoke
-- args: text, int
UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE key_id = $1;
