-- A lead's values apart from what is noted about it: a note (seen, linked, decided) writes a hundred bytes and not all values again.

DROP VIEW lead_status;

-- The encoded values of each lead.
CREATE TABLE lead_values (
    side     TEXT NOT NULL,
    lead_id  TEXT NOT NULL,
    fields   TEXT NOT NULL CHECK (json_type(fields) = 'object'),
    PRIMARY KEY (side, lead_id)
) STRICT, WITHOUT ROWID;
INSERT INTO lead_values SELECT side, lead_id, fields FROM lead;

ALTER TABLE lead DROP COLUMN fields;
ALTER TABLE lead RENAME TO lead_state;

-- What a poller last saw of each lead, in one row.
CREATE VIEW lead AS
SELECT side, lead_id, link_id, modified_at, changed_at, fields, external_id, converted, master_id, deleted_at, seen_at, dirty, aside, former
FROM lead_state JOIN lead_values USING (side, lead_id);

CREATE VIEW lead_status AS
SELECT l.link_id, l.operate_id, l.salesforce_id, l.state, l.reason,
       (SELECT fields FROM lead_values WHERE side = 'operate' AND lead_id = l.operate_id) AS operate_fields,
       (SELECT fields FROM lead_values WHERE side = 'salesforce' AND lead_id = l.salesforce_id) AS salesforce_fields,
       o.modified_at AS operate_modified_at, s.modified_at AS salesforce_modified_at, l.updated_at
FROM link l
LEFT JOIN lead_state o ON o.side = 'operate' AND o.lead_id = l.operate_id
LEFT JOIN lead_state s ON s.side = 'salesforce' AND s.lead_id = l.salesforce_id;

UPDATE sqlite_stat1 SET tbl = 'lead_state', idx = iif(idx = 'lead', 'lead_state', idx) WHERE tbl = 'lead';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('lead_values', 'lead_values', '40000 20000 1');
ANALYZE sqlite_schema;
