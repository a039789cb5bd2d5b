SELECT
    m.customer_id AS key,
    any_value(c.customer_name) AS name,
    lower(split_part(any_value(c.customer_email), '@', 2)) AS domain,
    lower(any_value(c.customer_email)) AS email,
    coalesce(any_value(c.customer_created_at), min(m.subscription_month)) AS created_at
FROM stripe__subscription_item_mrr_report AS m
LEFT JOIN stripe__customer_overview AS c ON c.customer_id = m.customer_id
GROUP BY m.customer_id
