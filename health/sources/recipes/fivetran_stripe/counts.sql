-- What the recipe leaves out, and why: every line is either used or counted here.
SELECT reason, count(*) AS rows
FROM (
    SELECT CASE
        WHEN
            NOT coalesce(l.livemode, i.livemode, true)
            OR i.customer_id IN (SELECT id FROM customer WHERE NOT livemode) THEN 'invoice lines of the test mode'
        WHEN i.id IS NULL THEN 'invoice lines without an invoice'
        WHEN coalesce(i.is_deleted, false) THEN 'invoice lines of deleted invoices'
        WHEN coalesce(i.status, 'paid') NOT IN ('paid', 'open')
            THEN 'invoice lines of ' || i.status || ' invoices'
        WHEN coalesce(r.recurring_usage_type, q.usage_type) = 'metered'
            THEN 'invoice lines of metered use, billed after the fact'
        WHEN coalesce(r.id, q.id) IS NOT NULL AND coalesce(r.recurring_interval, q."interval") IS NULL
            THEN 'invoice lines of one-off charges'
        WHEN coalesce(r.id, q.id) IS NULL AND s.id IS NULL
            THEN 'invoice lines without a price or a subscription'
        WHEN l.period_end <= l.period_start OR s.ended_at <= l.period_start
            THEN 'invoice lines that cover no time'
        WHEN l.amount = 0 AND l.period_start < s.trial_end THEN 'invoice lines of trials'
        ELSE 'used'
    END AS reason
    FROM invoice_line_item AS l
    LEFT JOIN invoice AS i ON i.id = l.invoice_id
    LEFT JOIN subscription AS s ON s.id = coalesce(l.subscription_id, i.subscription_id)
    LEFT JOIN subscription_item AS item ON item.id = l.subscription_item_id
    LEFT JOIN price AS r ON r.id = coalesce(l.price_id, l.plan_id, item.plan_id)
    LEFT JOIN plan AS q ON q.id = coalesce(l.price_id, l.plan_id, item.plan_id)
    UNION ALL
    SELECT 'customers of the test mode' FROM customer WHERE NOT coalesce(livemode, true)
    UNION ALL
    SELECT 'subscriptions without a paid period (' || coalesce(status, 'no status') || ')'
    FROM subscription
    WHERE
        coalesce(livemode, true)
        AND id NOT IN (SELECT subscription_id FROM invoice_line_item WHERE subscription_id IS NOT NULL)
)
WHERE reason <> 'used'
GROUP BY reason
ORDER BY rows DESC
