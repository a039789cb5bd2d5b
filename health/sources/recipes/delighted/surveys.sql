-- Only answers: of the questions sent, Delighted keeps no more than the latest per person.
SELECT
    coalesce(person.account_id, place.account_id) AS account_id,
    CASE
        WHEN lower(r.survey_type) LIKE 'nps%' OR r.survey_type IS NULL THEN 'nps'
        WHEN lower(r.survey_type) LIKE 'csat%' THEN 'csat'
        WHEN lower(r.survey_type) LIKE 'ces%' THEN 'ces'
        ELSE lower(r.survey_type)
    END AS kind,
    r.created_at AS answered_at,
    r.score,
    r.person AS respondent_id,
    r.comment
FROM survey_response AS r
LEFT JOIN person AS p ON p.id = r.person
LEFT JOIN customers AS person ON person.source = 'email' AND person.key = lower(p.email)
LEFT JOIN customers AS place
    ON place.source = 'domain' AND place.key = lower(split_part(p.email, '@', 2))
