-- What operators ask: what people did, what a write reversed, and what was written since a time.

-- What people did, by command or on the status page, and what the daemon did by itself that somebody may ask for.
CREATE TABLE audit (
    audit_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    actor     TEXT NOT NULL CHECK (actor IN ('command', 'page', 'signal', 'daemon')),
    action    TEXT NOT NULL,                -- resolve, retry, pause, resume, link, unlink, import, undo, repair, reload, prune
    subject   TEXT,                         -- the ids or numbers that it is about
    detail    TEXT
) STRICT;

-- The write that this one reverses.
ALTER TABLE push ADD COLUMN undoes INTEGER REFERENCES push (push_id) ON DELETE SET NULL;

CREATE INDEX push_by_end ON push (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX push_undoes ON push (undoes) WHERE undoes IS NOT NULL;
CREATE INDEX conflict_by_end ON conflict (settled_at) WHERE settled_at IS NOT NULL;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
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
