-- Accounts of Salesforce, their owner and parent.
WITH won AS (
    SELECT account_id, min(close_date) AS first_won_at
    FROM opportunity
    WHERE is_won AND NOT coalesce(is_deleted, false)
    GROUP BY account_id
)
SELECT
    a.id AS key,
    a.name,
    lower(regexp_extract(a.website, '^(https?://)?(www\.)?([^/:]+)', 3)) AS domain,
    coalesce(a.created_date, w.first_won_at) AS created_at,
    coalesce(u.name, u.email) AS csm,
    a.industry,
    a.billing_country AS region,
    a.number_of_employees AS employees,
    a.parent_id AS parent_key,
    w.first_won_at AS customer_since,
    w.account_id IS NOT NULL OR lower(a.type) LIKE 'customer%' AS is_customer
FROM account AS a
LEFT JOIN "user" AS u ON u.id = a.owner_id
LEFT JOIN won AS w ON w.account_id = a.id
WHERE NOT coalesce(a.is_deleted, false)
