-- Organizations of Zendesk; their external id usually is the key of another system.
SELECT
    o.id AS key,
    any_value(o.name) AS name,
    CASE WHEN count(DISTINCT d.domain_name) = 1 THEN lower(any_value(d.domain_name)) END AS domain,
    any_value(o.created_at) AS created_at,
    [any_value(o.external_id)] AS links
FROM organization AS o
LEFT JOIN domain_name AS d ON d.organization_id = o.id
GROUP BY o.id
