SELECT lower(email) AS email, organization_id AS key FROM "user" WHERE role = 'end-user'
