SELECT
    coalesce(requester_organization_id, organization_id) AS key,
    any_value(coalesce(requester_organization_name, organization_name)) AS name,
    min(created_at) AS created_at,
    [any_value(requester_organization_external_id)] AS links
FROM zendesk__ticket_metrics
WHERE coalesce(requester_organization_id, organization_id) IS NOT NULL
GROUP BY ALL
