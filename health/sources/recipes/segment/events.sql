WITH calls AS (
    SELECT
        *,
        coalesce(context_group_id, json_extract_string(context, '$.groupId'), group_id) AS company
    FROM event
),
-- A group call names the company of a user once, for all of their other calls.
companies AS (
    SELECT user_id, any_value(company) AS company
    FROM calls
    WHERE type = 'group' AND user_id IS NOT NULL
    GROUP BY user_id
    HAVING count(DISTINCT company) = 1
)
SELECT
    c.message_id AS event_id,
    c.event,
    c."timestamp" AS occurred_at,
    coalesce(c.user_id, c.anonymous_id) AS user_id,
    lower(coalesce(
        nullif(regexp_extract(c.user_id, '^[^@\s]+@[^@\s]+\.[^@\s]+$'), ''),
        c.context_traits_email,
        json_extract_string(c.context, '$.traits.email')
    )) AS email,
    [c.company, g.company] AS company_keys
FROM calls AS c
LEFT JOIN companies AS g ON g.user_id = c.user_id
WHERE c.event IS NOT NULL AND coalesce(c.type, 'track') IN ('track', 'page', 'screen')
