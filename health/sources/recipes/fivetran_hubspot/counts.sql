SELECT reason, count(*) AS rows
FROM (
    SELECT 'deleted companies' AS reason FROM company WHERE is_deleted
    UNION ALL
    SELECT 'companies that are no customers' FROM company
    WHERE
        NOT coalesce(is_deleted, false)
        AND id NOT IN (SELECT account_id FROM accounts)
        AND id IN (SELECT key FROM parties WHERE source = (SELECT account_key FROM options))
)
GROUP BY reason
ORDER BY rows DESC
