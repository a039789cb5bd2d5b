WITH links AS (
    SELECT contact_id, company_id FROM contact_company
    UNION
    SELECT id, property_associatedcompanyid FROM contact
    WHERE property_associatedcompanyid IS NOT NULL
),
places AS (
    SELECT engagement_id, company_id FROM engagement_company
    UNION
    SELECT e.engagement_id, l.company_id
    FROM engagement_contact AS e JOIN links AS l ON l.contact_id = e.contact_id
    WHERE e.engagement_id NOT IN (SELECT engagement_id FROM engagement_company)
),
engagements AS (
    SELECT engagement_id, happened_at, is_deleted, NULL AS outcome FROM engagement_call
    UNION ALL
    SELECT engagement_id, happened_at, is_deleted, NULL FROM engagement_email
    UNION ALL
    SELECT engagement_id, happened_at, is_deleted, outcome FROM engagement_meeting
)
SELECT reason, count(*) AS rows
FROM (
    SELECT CASE
        WHEN e.is_deleted THEN 'deleted conversations'
        WHEN lower(e.outcome) IN ('canceled', 'cancelled', 'no_show', 'no show', 'rescheduled')
            THEN 'meetings that did not take place'
        WHEN e.happened_at IS NULL THEN 'conversations without a time'
        WHEN p.company_id IS NULL THEN 'conversations without a company'
        WHEN p.company_id NOT IN (SELECT account_id FROM accounts)
            THEN 'conversations with companies that are no accounts'
    END AS reason
    FROM engagements AS e
    LEFT JOIN places AS p ON p.engagement_id = e.engagement_id
)
WHERE reason IS NOT NULL
GROUP BY reason
ORDER BY rows DESC
