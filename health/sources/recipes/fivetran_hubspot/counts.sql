SELECT 'deleted companies' AS reason, count(*) AS rows
FROM company
WHERE is_deleted
HAVING count(*) > 0
