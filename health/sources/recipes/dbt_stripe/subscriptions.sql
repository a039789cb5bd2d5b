-- One row per item and month that was billed. The package leaves amounts in the smallest unit
-- unless stripe__convert_values is on, which divides by 100 in every currency: set the option
-- amounts_in accordingly.
SELECT
    c.account_id,
    m.subscription_id,
    coalesce(m.product_id, m.price_plan_id, 'subscription') AS product,
    m.price_plan_id AS plan,
    m.subscription_month AS started_at,
    m.subscription_month + INTERVAL 1 MONTH AS ended_at,
    sum(m.month_billed_mrr) * any_value(o.smallest / coalesce(u.per_unit, 100)) AS mrr,
    sum(m.month_contract_mrr) * any_value(o.smallest / coalesce(u.per_unit, 100)) AS list_mrr,
    upper(m.currency) AS currency
FROM stripe__subscription_item_mrr_report AS m
CROSS JOIN (
    SELECT CASE amounts_in WHEN 'cents' THEN 1 ELSE 100 END AS smallest FROM options
) AS o
LEFT JOIN customers AS c ON c.source = 'dbt_stripe' AND c.key = m.customer_id
LEFT JOIN minor_units AS u ON u.currency = upper(m.currency)
WHERE m.month_contract_mrr > 0
GROUP BY ALL
