SELECT 'deleted accounts' AS reason, count(*) AS rows
FROM account
WHERE is_deleted
HAVING count(*) > 0
