-- Calls, emails and meetings that took place. One belongs to its company, or to its person's. It is
-- known from when it was entered: some are entered years later.
WITH engagements AS (
    SELECT engagement_id, happened_at, recorded_at, 'call' AS kind, direction, owner_id
    FROM engagement_call WHERE NOT coalesce(is_deleted, false)
    UNION ALL
    SELECT engagement_id, happened_at, recorded_at, 'email', direction, owner_id
    FROM engagement_email WHERE NOT coalesce(is_deleted, false)
    UNION ALL
    SELECT engagement_id, happened_at, recorded_at, 'meeting', NULL, owner_id
    FROM engagement_meeting
    WHERE
        NOT coalesce(is_deleted, false)
        AND coalesce(lower(outcome), '') NOT IN
            ('canceled', 'cancelled', 'no_show', 'no show', 'rescheduled')
),
belongs AS (
    SELECT engagement_id, company_id FROM engagement_company
    UNION
    SELECT e.engagement_id, cc.company_id
    FROM engagement_contact AS e
    JOIN (
        SELECT contact_id, company_id FROM contact_company
        UNION
        SELECT id, property_associatedcompanyid FROM contact
        WHERE property_associatedcompanyid IS NOT NULL
    ) AS cc ON cc.contact_id = e.contact_id
    WHERE e.engagement_id NOT IN (SELECT engagement_id FROM engagement_company)
),
persons AS (
    SELECT engagement_id, min(contact_id) AS contact_id FROM engagement_contact GROUP BY 1
)
SELECT
    b.company_id AS account_id,
    e.happened_at AS occurred_at,
    e.kind,
    CASE
        WHEN upper(e.direction) IN ('INBOUND', 'INCOMING_EMAIL') THEN 'in'
        WHEN upper(e.direction) IN ('OUTBOUND', 'EMAIL', 'FORWARDED_EMAIL') THEN 'out'
    END AS direction,
    p.contact_id,
    coalesce(nullif(trim(concat_ws(' ', o.first_name, o.last_name)), ''), o.email) AS csm,
    e.recorded_at AS known_at
FROM engagements AS e
JOIN belongs AS b ON b.engagement_id = e.engagement_id
LEFT JOIN persons AS p ON p.engagement_id = e.engagement_id
LEFT JOIN owner AS o ON o.owner_id = e.owner_id
WHERE
    e.happened_at IS NOT NULL
    AND b.company_id IN (SELECT account_id FROM accounts)
