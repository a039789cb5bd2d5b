SELECT reason, count(*) AS rows
FROM (
    SELECT CASE
        WHEN is_deleted THEN 'deleted contacts'
        WHEN account_id IS NULL THEN 'contacts without an account'
        WHEN created_date IS NULL THEN 'contacts without a date'
        ELSE 'contacts of companies that are no accounts'
    END AS reason
    FROM contact
    WHERE
        coalesce(is_deleted, false)
        OR account_id IS NULL
        OR created_date IS NULL
        OR account_id NOT IN (SELECT account_id FROM accounts)
)
GROUP BY reason
ORDER BY rows DESC
