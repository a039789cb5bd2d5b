SELECT reason, count(*) AS rows
FROM (
    SELECT CASE
        WHEN c.is_deleted THEN 'deleted contacts'
        WHEN l.company_id IS NULL THEN 'contacts without a company'
        ELSE 'contacts of companies that are no accounts'
    END AS reason
    FROM contact AS c
    LEFT JOIN (
        SELECT contact_id, company_id FROM contact_company
        UNION
        SELECT id, property_associatedcompanyid FROM contact
        WHERE property_associatedcompanyid IS NOT NULL
    ) AS l ON l.contact_id = c.id
    WHERE
        coalesce(c.is_deleted, false)
        OR l.company_id IS NULL
        OR l.company_id NOT IN (SELECT account_id FROM accounts)
)
GROUP BY reason
ORDER BY rows DESC
