-- Runs where the events are: only what every database has.
SELECT
    insert_id AS event_id,
    event_type AS event,
    event_time AS occurred_at,
    coalesce(user_id, amplitude_id) AS user_id,
    user_id AS known_user,
    json_extract_string(user_properties, '$.email') AS user_email,
    groups AS named_groups
FROM event
