SELECT lower(c.property_email) AS email, cc.company_id AS key
FROM contact AS c
JOIN contact_company AS cc ON cc.contact_id = c.id
UNION
SELECT lower(property_email), property_associatedcompanyid
FROM contact
WHERE property_associatedcompanyid IS NOT NULL
