-- The package keeps no time of a reopening: between a first and a later solution, a ticket was
-- reopened at an unknown time, and none is given.
SELECT
    coalesce(own.account_id, theirs.account_id, person.account_id, place.account_id) AS account_id,
    t.ticket_id,
    t.requester_id,
    t.created_at AS opened_at,
    t.created_at + to_microseconds((t.first_reply_time_calendar_minutes * 60000000)::BIGINT)
        AS first_replied_at,
    t.first_solved_at,
    t.last_solved_at AS solved_at,
    t.priority,
    t.created_channel AS channel,
    t.subject,
    CASE
        WHEN lower(t.ticket_satisfaction_rating) LIKE 'good%' THEN 1
        WHEN lower(t.ticket_satisfaction_rating) LIKE 'bad%' THEN 0
    END AS csat,
    'good/bad' AS csat_scale
FROM zendesk__ticket_metrics AS t
LEFT JOIN customers AS own ON own.source = 'dbt_zendesk' AND own.key = t.organization_id
LEFT JOIN customers AS theirs
    ON theirs.source = 'dbt_zendesk' AND theirs.key = t.requester_organization_id
LEFT JOIN customers AS person ON person.source = 'email' AND person.key = lower(t.requester_email)
LEFT JOIN customers AS place
    ON place.source = 'domain' AND place.key = lower(split_part(t.requester_email, '@', 2))
WHERE coalesce(t.status, '') <> 'deleted'
