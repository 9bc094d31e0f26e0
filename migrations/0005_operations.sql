-- What operators ask: what people did, what a write reversed, and what was written since a time.

-- What people did, by command or on the status page, and what the daemon did by itself that somebody may ask for.
CREATE TABLE audit (
    audit_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    actor     TEXT NOT NULL CHECK (actor IN ('command', 'page', 'signal', 'daemon')),
    action    TEXT NOT NULL,                -- resolve, retry, pause, resume, relink, unlink, import, undo, repair, reload, prune
    subject   TEXT,                         -- the ids of the leads that it is about, a space between them
    detail    TEXT
) STRICT;
CREATE INDEX audit_by_time ON audit (at);

-- The write that this one reverses.
ALTER TABLE push ADD COLUMN undoes INTEGER REFERENCES push (push_id) ON DELETE SET NULL;

CREATE INDEX push_by_end ON push (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX push_undoes ON push (undoes) WHERE undoes IS NOT NULL;
CREATE INDEX conflict_by_end ON conflict (settled_at) WHERE settled_at IS NOT NULL;

-- Since when a person keeps the leads of a link apart: nothing is decided for them, and the link keeps others from being found for them.
ALTER TABLE link ADD COLUMN unlinked_at TEXT;
-- How often a person had the link decided anew: what was being decided at that moment is not kept.
ALTER TABLE link ADD COLUMN words INTEGER NOT NULL DEFAULT 0;

-- Leads that the next cycle reads by their ids, whatever their modified times say.
CREATE TABLE reread (
    side     TEXT NOT NULL CHECK (side IN ('operate', 'salesforce')),
    lead_id  TEXT NOT NULL,
    PRIMARY KEY (side, lead_id)
) STRICT, WITHOUT ROWID;

-- A further state of a link, `unlinked`. The check is changed in the schema's text, as SQLite's manual tells (ALTER TABLE, section 7): to
-- make the table anew would let go of all leads.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''converted'', ''deleted'')', '''converted'', ''deleted'', ''unlinked'')')
WHERE type = 'table' AND name = 'link';
PRAGMA writable_schema = RESET;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('audit', 'audit_by_time', '1000 1'),
    ('push', 'push_by_end', '60000 1'),
    ('push', 'push_undoes', '100 1'),
    ('conflict', 'conflict_by_end', '1000 1');
ANALYZE sqlite_schema;

-- The story of each link, in order: number is the push's or the conflict's.
DROP VIEW history;
CREATE VIEW history AS
SELECT p.link_id, l.operate_id, l.salesforce_id, coalesce(p.done_at, p.created_at) AS at, 'push' AS event, p.side, p.kind, p.state,
       p.before, p.fields AS after, p.error, p.push_id AS number, p.undoes
FROM push p JOIN link l USING (link_id)
UNION ALL
SELECT c.link_id, l.operate_id, l.salesforce_id, coalesce(c.settled_at, c.found_at), 'conflict', c.winner, c.field || ' by ' || c.rule,
       c.state, json_array(json(c.base_value)), json_array(json(c.operate_value), json(c.salesforce_value)), NULL, c.conflict_id, NULL
FROM conflict c JOIN link l USING (link_id);
