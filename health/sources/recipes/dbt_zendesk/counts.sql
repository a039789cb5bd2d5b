SELECT 'deleted tickets' AS reason, count(*) AS rows
FROM zendesk__ticket_metrics
WHERE status = 'deleted'
HAVING count(*) > 0
