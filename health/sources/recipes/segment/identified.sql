-- A group call names the company of a user once, for all of their other calls.
WITH companies AS (
    SELECT known_user, any_value(company) AS company
    FROM events
    WHERE group_call IS NOT NULL AND known_user IS NOT NULL
    GROUP BY known_user
    HAVING count(DISTINCT company) = 1
)
SELECT
    e.event_id, e.event, e.occurred_at, e.user_id,
    lower(coalesce(
        nullif(regexp_extract(e.known_user, '^[^@\s]+@[^@\s]+\.[^@\s]+$'), ''), e.user_email
    )) AS email,
    [e.company, g.company] AS company_keys
FROM events AS e
LEFT JOIN companies AS g ON g.known_user = e.known_user
WHERE e.event IS NOT NULL
