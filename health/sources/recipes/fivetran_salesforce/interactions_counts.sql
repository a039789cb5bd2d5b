SELECT reason, count(*) AS rows
FROM (
    SELECT CASE
        WHEN is_deleted THEN 'deleted events'
        WHEN account_id IS NULL THEN 'events without an account'
        WHEN account_id NOT IN (SELECT account_id FROM accounts)
            THEN 'events with companies that are no accounts'
        WHEN happened_at IS NULL THEN 'events without a time'
    END AS reason
    FROM event
    UNION ALL
    SELECT CASE
        WHEN is_deleted THEN 'deleted tasks'
        WHEN lower(status) IS DISTINCT FROM 'completed' THEN 'tasks that are not completed'
        WHEN NOT coalesce(lower(subtype) IN ('call', 'email') OR lower(type) IN ('call', 'email'), false)
            THEN 'tasks that are neither a call nor an email'
        WHEN account_id IS NULL THEN 'tasks without an account'
        WHEN account_id NOT IN (SELECT account_id FROM accounts)
            THEN 'tasks with companies that are no accounts'
    END
    FROM task
)
WHERE reason IS NOT NULL
GROUP BY reason
ORDER BY rows DESC
