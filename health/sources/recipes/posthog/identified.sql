SELECT
    event_id, event, occurred_at, user_id,
    lower(coalesce(
        nullif(regexp_extract(distinct_id, '^[^@\s]+@[^@\s]+\.[^@\s]+$'), ''), person_email, set_email
    )) AS email,
    list_concat(
        json_extract_string(named_groups, '$.*'), [group_0, group_1, group_2, group_3, group_4]
    ) AS company_keys
FROM events
