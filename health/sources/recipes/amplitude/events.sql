SELECT
    insert_id AS event_id,
    event_type AS event,
    event_time AS occurred_at,
    coalesce(user_id, amplitude_id) AS user_id,
    lower(coalesce(
        nullif(regexp_extract(user_id, '^[^@\s]+@[^@\s]+\.[^@\s]+$'), ''),
        json_extract_string(user_properties, '$.email')
    )) AS email,
    list_concat(
        json_extract_string(groups, '$.*'), json_extract_string(groups, '$.*[*]')
    ) AS company_keys
FROM event
