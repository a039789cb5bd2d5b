SELECT reason, count(*) AS rows
FROM (
    SELECT 'deleted tickets' AS reason FROM ticket WHERE status = 'deleted'
    UNION ALL
    SELECT 'satisfaction ratings that were offered and not given'
    FROM satisfaction_rating
    WHERE NOT (lower(score) LIKE 'good%' OR lower(score) LIKE 'bad%')
)
GROUP BY reason
ORDER BY rows DESC
