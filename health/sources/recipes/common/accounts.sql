-- One row per account: who pays where a billing system is read, else who the CRM calls a customer.
WITH paying AS (
    SELECT c.account_id, min(p.created_at) AS since, any_value(p.name) AS name
    FROM parties AS p
    JOIN customers AS c ON c.source = p.source AND c.key = p.key
    WHERE p.role = 'billing'
    GROUP BY c.account_id
),
hub AS (SELECT * FROM parties WHERE source = (SELECT account_key FROM options)),
known AS (
    SELECT
        h.key AS account_id,
        coalesce(least(p.since, h.customer_since), h.created_at) AS created_at,
        h.name, h.csm, h.industry, h.region, h.parent_key,
        CASE
            WHEN h.employees < 50 THEN '1 to 49 employees'
            WHEN h.employees < 250 THEN '50 to 249 employees'
            WHEN h.employees < 1000 THEN '250 to 999 employees'
            WHEN h.employees >= 1000 THEN '1,000 or more employees'
        END AS segment
    FROM hub AS h
    LEFT JOIN paying AS p ON p.account_id = h.key
    WHERE CASE
        WHEN EXISTS (FROM paying) THEN p.account_id IS NOT NULL ELSE coalesce(h.is_customer, true)
    END
    UNION ALL BY NAME
    SELECT p.account_id, p.since AS created_at, p.name
    FROM paying AS p
    WHERE p.account_id NOT IN (SELECT key FROM hub)
)
SELECT
    account_id, created_at, name, csm, segment, industry, region,
    CASE WHEN parent_key IN (SELECT account_id FROM known) THEN parent_key END AS parent_id
FROM known
