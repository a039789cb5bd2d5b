-- Customers of Stripe. Whatever looks like another system's key in the metadata may link them.
SELECT
    id AS key,
    name,
    lower(split_part(email, '@', 2)) AS domain,
    lower(email) AS email,
    created AS created_at,
    CASE
        WHEN json_valid(metadata) AND json_type(metadata) = 'OBJECT' THEN list_transform(
            list_filter(
                json_keys(metadata),
                lambda k: regexp_matches(
                    lower(k),
                    'hubspot|salesforce|sfdc|crm|account|company|customer|organi[sz]ation|external|tenant|workspace'
                )
            ),
            lambda k: trim(json_extract_string(metadata, '$."' || k || '"'))
        )
    END AS links
FROM customer
WHERE coalesce(livemode, true)
