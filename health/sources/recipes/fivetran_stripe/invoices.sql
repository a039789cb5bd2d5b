-- Bills that were sent: due on their date, or at once where the card is charged automatically. An
-- export without the times of payment fills nothing: every bill would look overdue.
SELECT
    coalesce(c.account_id, i.customer_id) AS account_id,
    i.id AS invoice_id,
    coalesce(i.due_date, i.created, i.period_start) AS due_at,
    i.created AS issued_at,
    i.total / coalesce(u.per_unit, 100) AS amount,
    i.paid_at,
    greatest(i.attempt_count - CASE WHEN i.status = 'paid' THEN 1 ELSE 0 END, 0) AS failed_attempts,
    upper(i.currency) AS currency
FROM invoice AS i
LEFT JOIN customers AS c ON c.source = 'fivetran_stripe' AND c.key = i.customer_id
LEFT JOIN minor_units AS u ON u.currency = upper(i.currency)
WHERE
    coalesce(i.livemode, true)
    AND NOT coalesce(i.is_deleted, false)
    AND i.status IN ('paid', 'open', 'uncollectible')
    AND coalesce(i.due_date, i.created, i.period_start) IS NOT NULL
    AND i.total <> 0
    AND i.customer_id NOT IN (SELECT id FROM customer WHERE NOT livemode)
    AND EXISTS (FROM invoice WHERE paid_at IS NOT NULL)
