-- The people at accounts; those at companies that are no accounts are counted.
SELECT account_id, id AS contact_id, created_date AS created_at, title AS role
FROM contact
WHERE
    NOT coalesce(is_deleted, false)
    AND created_date IS NOT NULL
    AND account_id IN (SELECT account_id FROM accounts)
