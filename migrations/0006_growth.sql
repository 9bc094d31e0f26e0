-- What grows must not slow a cycle.

-- During a first load all leads have no link: an index that has every one of them under the same key finds none of them.
DROP INDEX lead_by_link;
CREATE INDEX lead_by_link ON lead (link_id) WHERE link_id IS NOT NULL;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('lead', 'lead_by_link', '40000 2');
ANALYZE sqlite_schema;

-- An index of what is not settled is used where a query says in the same words that it wants no more: else all history is read.
DROP VIEW due_push;
CREATE VIEW due_push AS
SELECT p.push_id, p.link_id, l.operate_id, l.salesforce_id, p.side, p.kind, p.fields, p.state, p.attempts, p.due_at, p.error_code, p.error
FROM push p JOIN link l USING (link_id)
WHERE p.state IN ('due', 'sent', 'parked') AND p.state <> 'parked';

DROP VIEW parked_push;
CREATE VIEW parked_push AS
SELECT p.push_id, p.link_id, l.operate_id, l.salesforce_id, p.side, p.kind, p.fields, p.attempts, p.error_code, p.error, p.created_at
FROM push p JOIN link l USING (link_id)
WHERE p.state IN ('due', 'sent', 'parked') AND p.state = 'parked';
