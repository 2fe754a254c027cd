-- Of the store itself.

-- name: store_ping
SELECT 1;
