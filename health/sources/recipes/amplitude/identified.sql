SELECT
    event_id, event, occurred_at, user_id,
    lower(coalesce(
        nullif(regexp_extract(known_user, '^[^@\s]+@[^@\s]+\.[^@\s]+$'), ''), user_email
    )) AS email,
    list_concat(
        json_extract_string(named_groups, '$.*'), json_extract_string(named_groups, '$.*[*]')
    ) AS company_keys
FROM events
