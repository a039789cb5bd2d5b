-- Companies of HubSpot, their owner and parent. Properties that hindsight fills in (churn date,
-- customer status, lifecycle stage after the fact) are no inputs.
WITH won AS (
    SELECT dc.company_id, min(d.property_closedate) AS first_won_at
    FROM deal AS d
    JOIN deal_company AS dc ON dc.deal_id = d.deal_id
    LEFT JOIN deal_pipeline_stage AS s ON s.stage_id = d.deal_pipeline_stage_id
    WHERE
        NOT coalesce(d.is_deleted, false)
        AND coalesce(s.closed_won, d.deal_pipeline_stage_id = 'closedwon')
    GROUP BY dc.company_id
)
SELECT
    c.id AS key,
    c.property_name AS name,
    lower(regexp_replace(c.property_domain, '^(https?://)?(www\.)?', '')) AS domain,
    c.property_createdate AS created_at,
    coalesce(nullif(trim(concat_ws(' ', o.first_name, o.last_name)), ''), o.email) AS csm,
    c.property_industry AS industry,
    c.property_country AS region,
    c.property_numberofemployees AS employees,
    c.property_hs_parent_company_id AS parent_key,
    w.first_won_at AS customer_since,
    w.company_id IS NOT NULL OR lower(c.property_lifecyclestage) = 'customer' AS is_customer
FROM company AS c
LEFT JOIN owner AS o ON o.owner_id = c.property_hubspot_owner_id
LEFT JOIN won AS w ON w.company_id = c.id
WHERE NOT coalesce(c.is_deleted, false)
