-- The people at accounts; those at companies that are no accounts are counted.
WITH links AS (
    SELECT contact_id, company_id FROM contact_company
    UNION
    SELECT id, property_associatedcompanyid FROM contact WHERE property_associatedcompanyid IS NOT NULL
)
SELECT
    l.company_id AS account_id,
    c.id AS contact_id,
    c.property_createdate AS created_at,
    c.property_jobtitle AS role
FROM contact AS c
JOIN links AS l ON l.contact_id = c.id
WHERE
    NOT coalesce(c.is_deleted, false)
    AND l.company_id IN (SELECT account_id FROM accounts)
