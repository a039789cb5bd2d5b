SELECT lower(email) AS email, account_id AS key FROM contact WHERE NOT coalesce(is_deleted, false)
