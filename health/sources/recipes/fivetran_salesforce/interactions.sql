-- Events of the calendar, and tasks that log a call or an email. Other tasks are to-dos of the team.
-- A conversation is known from when it was entered.
WITH tasks AS (
    SELECT *, CASE
        WHEN 'call' IN (lower(subtype), lower(type)) THEN 'call'
        WHEN 'email' IN (lower(subtype), lower(type)) THEN 'email'
    END AS kind
    FROM task
    WHERE NOT coalesce(is_deleted, false) AND lower(status) = 'completed'
),
conversations AS (
    SELECT
        account_id, happened_at, CASE WHEN lower(type) = 'call' THEN 'call' ELSE 'meeting' END AS kind,
        NULL AS direction, who_id, owner_id, created_date
    FROM event
    WHERE NOT coalesce(is_deleted, false)
    UNION ALL
    SELECT
        account_id, coalesce(completed_date_time, activity_date, created_date), kind,
        CASE
            WHEN lower(call_type) = 'inbound' OR subject LIKE '[In]%' THEN 'in'
            -- Emails that Salesforce logs as tasks are those that its users send.
            WHEN lower(call_type) = 'outbound' OR kind = 'email' THEN 'out'
        END,
        who_id, owner_id, created_date
    FROM tasks
    WHERE kind IS NOT NULL
)
SELECT
    c.account_id,
    c.happened_at AS occurred_at,
    c.kind,
    c.direction,
    p.id AS contact_id,
    coalesce(u.name, u.email) AS csm,
    c.created_date AS known_at
FROM conversations AS c
LEFT JOIN contact AS p ON p.id = c.who_id
LEFT JOIN "user" AS u ON u.id = c.owner_id
WHERE
    c.happened_at IS NOT NULL
    AND c.account_id IN (SELECT account_id FROM accounts)
