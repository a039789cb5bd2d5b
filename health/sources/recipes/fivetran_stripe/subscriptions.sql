-- Paid periods from invoice lines. A line's amount is what was charged, whatever the tiers, the
-- discount or the interval; a price change within a period is a credit and a charge for the rest
-- of it (proration). What covers the same time of one subscription and product is added up.
WITH prices AS (
    SELECT
        id, product_id, nickname, lower(recurring_interval) AS unit,
        coalesce(recurring_interval_count, 1) AS n, recurring_usage_type AS usage_type
    FROM price
    UNION ALL BY NAME
    SELECT
        id, product_id, nickname, lower("interval") AS unit, coalesce(interval_count, 1) AS n,
        usage_type
    FROM plan
    WHERE id NOT IN (SELECT id FROM price)
),
contracts AS (
    SELECT id, customer_id, ended_at, canceled_at, trial_start, trial_end, livemode FROM subscription
    UNION ALL BY NAME
    -- Some connectors only write the history: its active row is the present state.
    SELECT id, customer_id, ended_at, canceled_at, trial_start, trial_end, livemode
    FROM subscription_history
    WHERE _fivetran_active AND id NOT IN (SELECT id FROM subscription)
),
discounted AS (
    SELECT invoice_id, sum(amount) AS discountable
    FROM invoice_line_item
    WHERE coalesce(discountable, true)
    GROUP BY invoice_id
),
charged AS (
    SELECT
        l.id,
        coalesce(l.subscription_id, i.subscription_id, 'invoice ' || i.id) AS contract,
        coalesce(i.customer_id, s.customer_id) AS customer_id,
        upper(l.currency) AS currency,
        coalesce(p.name, r.product_id, r.id, 'subscription') AS product,
        coalesce(r.nickname, r.id) AS plan,
        r.unit, r.n, l.quantity,
        coalesce(l.proration, false) AS is_partial,
        l.period_start, l.period_end,
        least(l.period_end, coalesce(s.ended_at, l.period_end)) AS ends,
        s.canceled_at,
        l.amount,
        coalesce(u.per_unit, 100) AS per_unit,
        -- The invoice's discounts, without its tax. They apply to what can be discounted: the
        -- amounts of prorations already are.
        CASE
            WHEN coalesce(l.discountable, true) AND d.discountable > 0
                THEN 1 - (i.subtotal - (i.total - coalesce(i.tax, 0))) / d.discountable
            ELSE 1
        END AS net
    FROM invoice_line_item AS l
    JOIN invoice AS i ON i.id = l.invoice_id
    LEFT JOIN discounted AS d ON d.invoice_id = l.invoice_id
    LEFT JOIN minor_units AS u ON u.currency = upper(l.currency)
    LEFT JOIN contracts AS s ON s.id = coalesce(l.subscription_id, i.subscription_id)
    LEFT JOIN subscription_item AS item ON item.id = l.subscription_item_id
    LEFT JOIN prices AS r ON r.id = coalesce(l.price_id, l.plan_id, item.plan_id)
    LEFT JOIN product AS p ON p.id = r.product_id
    WHERE
        coalesce(l.livemode, i.livemode, s.livemode, true)
        AND coalesce(i.customer_id, s.customer_id) NOT IN (SELECT id FROM customer WHERE NOT livemode)
        AND NOT coalesce(i.is_deleted, false)
        AND coalesce(i.status, 'paid') IN ('paid', 'open')
        -- A one-off charge recurs at no interval; metered use is billed after the fact.
        AND (r.unit IS NOT NULL OR (r.id IS NULL AND s.id IS NOT NULL))
        AND coalesce(r.usage_type, 'licensed') <> 'metered'
        AND l.period_end > l.period_start
        -- A trial's line at 0 is nothing bought yet.
        AND NOT (l.amount = 0 AND s.trial_end IS NOT NULL AND l.period_start < s.trial_end)
),
timed AS (
    SELECT
        *,
        epoch(period_end - period_start) / 86400 AS days,
        CASE unit
            WHEN 'year' THEN 12.0 * n
            WHEN 'month' THEN 1.0 * n
            WHEN 'week' THEN 12.0 * n / 52
            WHEN 'day' THEN 12.0 * n / 365
            ELSE greatest(round(epoch(period_end - period_start) / 86400 / 30.4375), 1)
        END AS months
    FROM charged
    WHERE ends > period_start
),
whole AS (
    SELECT
        *,
        CASE unit
            WHEN 'year' THEN epoch(period_end - (period_end - to_years(n::INTEGER))) / 86400
            WHEN 'month' THEN epoch(period_end - (period_end - to_months(n::INTEGER))) / 86400
            WHEN 'week' THEN 7.0 * n
            WHEN 'day' THEN 1.0 * n
            ELSE days
        END AS interval_days
    FROM timed
),
monthly AS (
    SELECT
        *,
        amount * per_month AS list_mrr
    FROM (
        SELECT
            *,
            1.0 / per_unit / months
                / CASE
                    WHEN is_partial OR days < 0.8 * interval_days THEN days / interval_days ELSE 1
                END AS per_month
        FROM whole
    )
),
bounds AS (
    SELECT DISTINCT contract, product, unnest([period_start, ends]) AS moment FROM monthly
),
spans AS (
    SELECT
        contract, product, moment AS starts,
        lead(moment) OVER (PARTITION BY contract, product ORDER BY moment) AS ends
    FROM bounds
),
paid AS (
    SELECT
        m.contract, m.product, s.starts, s.ends,
        any_value(m.customer_id) AS customer_id,
        any_value(m.currency) AS currency,
        arg_max(m.plan, m.period_start) AS plan,
        sum(m.list_mrr * m.net) AS mrr,
        sum(m.list_mrr) AS list_mrr,
        -- Credits and charges are each rounded to the smallest unit.
        sum(m.per_month) AS rounding,
        bool_or(m.amount < 0) AS has_credit,
        sum(m.quantity * CASE WHEN m.amount < 0 THEN -1 ELSE 1 END) AS seats,
        max(m.months) AS billing_months,
        max(m.period_end) AS renews_at,
        any_value(m.canceled_at) AS canceled_at
    FROM spans AS s
    JOIN monthly AS m
        ON m.contract = s.contract AND m.product = s.product
        AND m.period_start <= s.starts AND m.ends >= s.ends
    GROUP BY m.contract, m.product, s.starts, s.ends
)
SELECT
    coalesce(c.account_id, paid.customer_id) AS account_id,
    paid.contract AS subscription_id,
    paid.product,
    paid.plan,
    paid.starts AS started_at,
    paid.ends AS ended_at,
    greatest(paid.mrr, 0) AS mrr,
    greatest(paid.list_mrr, 0) AS list_mrr,
    greatest(paid.seats, 0) AS seats,
    paid.billing_months,
    paid.renews_at,
    CASE WHEN paid.canceled_at < paid.ends THEN paid.canceled_at END AS notice_at,
    paid.currency
FROM paid
LEFT JOIN customers AS c ON c.source = 'fivetran_stripe' AND c.key = paid.customer_id
-- Where credits undo charges (another product took over), nothing is owned.
WHERE NOT paid.has_credit OR paid.list_mrr > paid.rounding
