-- Runs where the events are: only what every database has.
SELECT
    uuid AS event_id,
    event,
    "timestamp" AS occurred_at,
    coalesce(person_id, distinct_id) AS user_id,
    distinct_id,
    json_extract_string(person_properties, '$.email') AS person_email,
    json_extract_string(properties, '$."$set"."email"') AS set_email,
    CAST(json_extract(properties, '$."$groups"') AS VARCHAR) AS named_groups,
    json_extract_string(properties, '$."$group_0"') AS group_0,
    json_extract_string(properties, '$."$group_1"') AS group_1,
    json_extract_string(properties, '$."$group_2"') AS group_2,
    json_extract_string(properties, '$."$group_3"') AS group_3,
    json_extract_string(properties, '$."$group_4"') AS group_4
FROM event
