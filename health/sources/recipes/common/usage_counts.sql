SELECT
    CASE
        WHEN event IS NULL THEN 'calls that name no event'
        ELSE 'events left out by exclude_events: ' || event
    END AS reason,
    sum(n)::BIGINT AS rows
FROM numbers
WHERE event IS NULL OR event IN (SELECT unnest(exclude_events) FROM options)
GROUP BY ALL
ORDER BY rows DESC
