-- Which account each key of each system belongs to. Accounts are the rows of one system (the
-- option account_key); the others are matched by a key that they hold of it, then by the domain of
-- their e-mail address, then by name. A domain or name that two accounts share matches neither.
-- A paying customer who matches nothing is an account of their own: no revenue is lost.
WITH named AS (
    SELECT
        * REPLACE (CASE WHEN domain NOT IN (SELECT unnest(free_domains) FROM options) THEN domain END AS domain),
        nullif(trim(regexp_replace(regexp_replace(
            lower(name),
            '[\s,.]+(incorporated|inc|llc|ltd|limited|gmbh|corp|corporation|co|company|plc|ag|sa|sas|bv|ab|oy|as|srl|spa|pty|kg|ug)\.?$',
            ''
        ), '[^\w]+', ' ', 'g')), '') AS plain_name
    FROM parties
),
hub AS (SELECT * FROM named WHERE source = (SELECT account_key FROM options)),
others AS (SELECT * FROM named WHERE source <> (SELECT account_key FROM options)),
links AS (SELECT source, key, unnest(links) AS link FROM others),
-- Salesforce writes an id of 15 characters in its pages and of 18, which begins with them, in exports.
hub_keys AS (
    SELECT key, key AS link FROM hub
    UNION
    SELECT key, left(key, 15) FROM hub WHERE source = 'fivetran_salesforce' AND length(key) = 18
),
hub_domains AS (
    SELECT domain, any_value(key) AS account_id FROM hub
    WHERE domain <> '' GROUP BY domain HAVING count(*) = 1
),
hub_names AS (
    SELECT plain_name, any_value(key) AS account_id FROM hub
    WHERE plain_name IS NOT NULL GROUP BY plain_name HAVING count(*) = 1
),
linked AS (
    SELECT l.source, l.key, any_value(h.key) AS account_id
    FROM links AS l JOIN hub_keys AS h ON h.link = l.link
    GROUP BY l.source, l.key HAVING count(DISTINCT h.key) = 1
),
matched AS (
    SELECT
        o.source, o.role, o.key, o.domain, o.plain_name,
        coalesce(l.account_id, d.account_id, n.account_id) AS account_id,
        CASE
            WHEN l.account_id IS NOT NULL THEN 'key'
            WHEN d.account_id IS NOT NULL THEN 'domain'
            WHEN n.account_id IS NOT NULL THEN 'name'
        END AS method
    FROM others AS o
    LEFT JOIN linked AS l ON l.source = o.source AND l.key = o.key
    LEFT JOIN hub_domains AS d ON d.domain = o.domain
    LEFT JOIN hub_names AS n ON n.plain_name = o.plain_name
),
paying AS (
    SELECT
        source, key, domain, plain_name, coalesce(account_id, key) AS account_id,
        coalesce(method, 'own account') AS method
    FROM matched WHERE role = 'billing'
),
paying_domains AS (
    SELECT domain, any_value(account_id) AS account_id FROM paying
    WHERE domain <> '' GROUP BY domain HAVING count(DISTINCT account_id) = 1
),
paying_names AS (
    SELECT plain_name, any_value(account_id) AS account_id FROM paying
    WHERE plain_name IS NOT NULL GROUP BY plain_name HAVING count(DISTINCT account_id) = 1
),
-- What does not know the accounts may know who pays.
linked_to_paying AS (
    SELECT l.source, l.key, any_value(p.account_id) AS account_id
    FROM links AS l JOIN paying AS p ON p.key = l.link
    GROUP BY l.source, l.key HAVING count(DISTINCT p.account_id) = 1
),
keys AS (
    SELECT source, key, key AS account_id, 'account' AS method FROM hub
    UNION ALL
    SELECT source, key, account_id, method FROM paying
    UNION ALL
    SELECT
        m.source, m.key, coalesce(m.account_id, l.account_id, d.account_id, n.account_id),
        CASE
            WHEN m.account_id IS NOT NULL THEN m.method
            WHEN l.account_id IS NOT NULL THEN 'key'
            WHEN d.account_id IS NOT NULL THEN 'domain'
            WHEN n.account_id IS NOT NULL THEN 'name'
            ELSE 'no match'
        END
    FROM matched AS m
    LEFT JOIN linked_to_paying AS l ON l.source = m.source AND l.key = m.key
    LEFT JOIN paying_domains AS d ON d.domain = m.domain
    LEFT JOIN paying_names AS n ON n.plain_name = m.plain_name
    WHERE m.role <> 'billing'
),
addresses AS (
    SELECT p.email AS email, k.account_id
    FROM people AS p JOIN keys AS k ON k.source = p.source AND k.key = p.key
    WHERE p.email LIKE '%@%' AND k.account_id IS NOT NULL
    UNION ALL
    SELECT p.email, k.account_id
    FROM parties AS p JOIN keys AS k ON k.source = p.source AND k.key = p.key
    WHERE p.email LIKE '%@%' AND k.account_id IS NOT NULL
),
emails AS (
    SELECT email, any_value(account_id) AS account_id FROM addresses
    GROUP BY email HAVING count(DISTINCT account_id) = 1
),
-- The domain that an account states comes before one that only its people's addresses suggest.
domains AS (
    SELECT domain, account_id FROM hub_domains
    UNION ALL
    SELECT domain, account_id FROM paying_domains
    WHERE domain NOT IN (SELECT domain FROM hub WHERE domain IS NOT NULL)
    UNION ALL
    SELECT split_part(email, '@', 2) AS domain, any_value(account_id)
    FROM addresses
    GROUP BY domain
    HAVING
        count(DISTINCT account_id) = 1
        AND domain NOT IN (SELECT domain FROM hub WHERE domain IS NOT NULL)
        AND domain NOT IN (SELECT domain FROM paying WHERE domain IS NOT NULL)
        AND domain NOT IN (SELECT unnest(free_domains) FROM options)
),
-- What an event calls a company: whichever name of it comes first here.
names AS (
    SELECT key AS name, account_id, 1 AS rank FROM keys WHERE source = (SELECT account_key FROM options)
    UNION ALL
    SELECT key, account_id, 2 FROM paying
    UNION ALL
    SELECT domain, account_id, 3 FROM domains
    UNION ALL
    SELECT h.name, n.account_id, 4 FROM hub AS h JOIN hub_names AS n ON n.plain_name = h.plain_name
)
SELECT source, key, account_id, method FROM keys
UNION ALL
SELECT 'email', email, account_id, 'email' FROM emails
UNION ALL
SELECT 'domain', domain, account_id, 'domain' FROM domains
UNION ALL
SELECT 'any', name, arg_min(account_id, rank), 'any' FROM names GROUP BY name
