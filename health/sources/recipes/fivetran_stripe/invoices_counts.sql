SELECT reason, count(*) AS rows
FROM (
    SELECT CASE
        WHEN
            NOT coalesce(livemode, true)
            OR customer_id IN (SELECT id FROM customer WHERE NOT livemode)
            THEN 'invoices of the test mode'
        WHEN coalesce(is_deleted, false) THEN 'deleted invoices'
        WHEN coalesce(status, '') NOT IN ('paid', 'open', 'uncollectible')
            THEN coalesce(status, 'no status') || ' invoices'
        WHEN coalesce(due_date, created, period_start) IS NULL THEN 'invoices without a date'
        WHEN total = 0 THEN 'invoices over 0'
        ELSE 'used'
    END AS reason
    FROM invoice
)
WHERE reason <> 'used'
GROUP BY reason
ORDER BY rows DESC
