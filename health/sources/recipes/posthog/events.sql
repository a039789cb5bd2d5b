SELECT
    uuid AS event_id,
    event,
    "timestamp" AS occurred_at,
    coalesce(person_id, distinct_id) AS user_id,
    lower(coalesce(
        nullif(regexp_extract(distinct_id, '^[^@\s]+@[^@\s]+\.[^@\s]+$'), ''),
        json_extract_string(person_properties, '$.email'),
        json_extract_string(properties, '$."$set".email')
    )) AS email,
    list_concat(
        json_extract_string(properties, '$."$groups".*'),
        json_extract_string(
            properties, ['$."$group_0"', '$."$group_1"', '$."$group_2"', '$."$group_3"', '$."$group_4"']
        )
    ) AS company_keys
FROM event
