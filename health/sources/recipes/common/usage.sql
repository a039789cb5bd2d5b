-- Events by account: by the company that the event names, else by its user's address, else by the
-- one company that all other events of the same user name.
WITH kept AS (
    SELECT * FROM identified
    WHERE event IS NOT NULL AND event NOT IN (SELECT unnest(exclude_events) FROM options)
),
named AS (SELECT DISTINCT company_keys FROM kept WHERE company_keys IS NOT NULL),
companies AS (
    SELECT n.company_keys, any_value(c.account_id) AS account_id
    FROM (SELECT company_keys, unnest(company_keys) AS name FROM named) AS n
    JOIN customers AS c ON c.source = 'any' AND c.key = n.name
    GROUP BY n.company_keys
    HAVING count(DISTINCT c.account_id) = 1
),
placed AS (
    SELECT
        k.event_id, k.event, k.occurred_at, k.user_id,
        coalesce(n.account_id, e.account_id, d.account_id) AS account_id
    FROM kept AS k
    LEFT JOIN companies AS n ON n.company_keys = k.company_keys
    LEFT JOIN customers AS e ON e.source = 'email' AND e.key = k.email
    LEFT JOIN customers AS d ON d.source = 'domain' AND d.key = split_part(k.email, '@', 2)
),
users AS (
    SELECT user_id, any_value(account_id) AS account_id
    FROM placed
    WHERE account_id IS NOT NULL AND user_id IS NOT NULL
    GROUP BY user_id
    HAVING count(DISTINCT account_id) = 1
)
SELECT
    coalesce(p.account_id, u.account_id) AS account_id,
    p.event, p.occurred_at, p.user_id, p.event_id AS usage_id
FROM placed AS p
LEFT JOIN users AS u ON u.user_id = p.user_id
