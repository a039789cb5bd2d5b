-- A ticket belongs to its organization, else to its requester's, else to the company of the
-- requester's address. Solutions, reopenings and priorities come from the history of its fields.
WITH steps AS (
    SELECT
        ticket_id, value, updated,
        lag(value) OVER (PARTITION BY ticket_id ORDER BY updated) AS before
    FROM ticket_field_history
    WHERE field_name = 'status'
),
course AS (
    SELECT
        ticket_id,
        min(updated) FILTER (value = 'solved') AS first_solved_at,
        max(updated) FILTER (value = 'solved' AND before IS DISTINCT FROM 'solved') AS solved_at,
        max(updated) FILTER (
            before IN ('solved', 'closed') AND value NOT IN ('solved', 'closed', 'deleted')
        ) AS reopened_at,
        max(updated) FILTER (value = 'closed') AS closed_at
    FROM steps
    GROUP BY ticket_id
),
priorities AS (
    SELECT
        ticket_id, value, updated,
        lag(value) OVER (PARTITION BY ticket_id ORDER BY updated) AS before
    FROM ticket_field_history
    WHERE field_name = 'priority' AND value IS NOT NULL
),
urgency AS (
    SELECT
        ticket_id,
        arg_min(value, updated) AS first_priority,
        arg_max(value, updated) AS priority,
        max(updated) FILTER (before <> value) AS priority_at
    FROM priorities
    GROUP BY ticket_id
),
replies AS (
    SELECT c.ticket_id, min(c.created) AS first_replied_at
    FROM ticket_comment AS c
    JOIN "user" AS u ON u.id = c.user_id AND u.role IN ('agent', 'admin')
    WHERE coalesce(c.public, true)
    GROUP BY c.ticket_id
),
ratings AS (
    SELECT
        ticket_id,
        arg_max(lower(score), coalesce(updated_at, created_at)) AS score,
        max(coalesce(updated_at, created_at)) AS csat_at
    FROM satisfaction_rating
    WHERE lower(score) LIKE 'good%' OR lower(score) LIKE 'bad%'
    GROUP BY ticket_id
)
SELECT
    coalesce(own.account_id, theirs.account_id, person.account_id, place.account_id) AS account_id,
    t.id AS ticket_id,
    t.requester_id,
    t.created_at AS opened_at,
    r.first_replied_at,
    c.first_solved_at,
    -- Without a history of its fields, a solved ticket was last changed when it was solved.
    CASE
        WHEN NOT EXISTS (FROM ticket_field_history) AND t.status IN ('solved', 'closed')
            THEN t.updated_at
        ELSE c.solved_at
    END AS solved_at,
    c.reopened_at,
    c.closed_at,
    u.priority_at,
    u.first_priority,
    coalesce(u.priority, t.priority) AS priority,
    t.via_channel AS channel,
    t.subject,
    CASE WHEN g.score LIKE 'good%' THEN 1 WHEN g.score LIKE 'bad%' THEN 0 END AS csat,
    'good/bad' AS csat_scale,
    g.csat_at
FROM ticket AS t
LEFT JOIN "user" AS q ON q.id = t.requester_id
LEFT JOIN course AS c ON c.ticket_id = t.id
LEFT JOIN urgency AS u ON u.ticket_id = t.id
LEFT JOIN replies AS r ON r.ticket_id = t.id
LEFT JOIN ratings AS g ON g.ticket_id = t.id
LEFT JOIN customers AS own ON own.source = 'fivetran_zendesk' AND own.key = t.organization_id
LEFT JOIN customers AS theirs ON theirs.source = 'fivetran_zendesk' AND theirs.key = q.organization_id
LEFT JOIN customers AS person ON person.source = 'email' AND person.key = lower(q.email)
LEFT JOIN customers AS place
    ON place.source = 'domain' AND place.key = lower(split_part(q.email, '@', 2))
WHERE coalesce(t.status, '') <> 'deleted'
