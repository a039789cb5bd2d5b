SELECT 'months of an item at 0' AS reason, count(*) AS rows
FROM stripe__subscription_item_mrr_report
WHERE coalesce(month_contract_mrr, 0) <= 0
HAVING count(*) > 0
