-- Runs where the events are: only what every database has.
SELECT
    coalesce(message_id, row_id) AS event_id,
    CASE WHEN coalesce(type, 'track') IN ('track', 'page', 'screen') THEN event END AS event,
    "timestamp" AS occurred_at,
    coalesce(user_id, anonymous_id) AS user_id,
    user_id AS known_user,
    CASE WHEN type = 'group' THEN type END AS group_call,
    coalesce(context_group_id, json_extract_string(context, '$.groupId'), group_id) AS company,
    coalesce(context_traits_email, json_extract_string(context, '$.traits.email')) AS user_email
FROM event
