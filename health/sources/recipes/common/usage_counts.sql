SELECT 'events left out by exclude_events: ' || event AS reason, count(*) AS rows
FROM events
WHERE event IN (SELECT unnest(exclude_events) FROM options)
GROUP BY event
ORDER BY rows DESC
