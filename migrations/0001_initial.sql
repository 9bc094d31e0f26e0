-- The store: what was observed on both sides, how leads are paired, and what was or will be written.
-- Read it with any SQL client while the daemon runs. Times are UTC, YYYY-MM-DDTHH:MM:SS.sssZ. Field values are JSON objects keyed
-- by the mapping's `name`; an empty value is left out.

-- What a poller last saw of each lead.
CREATE TABLE lead (
    side         TEXT NOT NULL CHECK (side IN ('operate', 'salesforce')),
    lead_id      TEXT NOT NULL,
    link_id      INTEGER REFERENCES link (link_id) ON DELETE SET NULL,
    modified_at  TEXT NOT NULL,             -- by that server's clock; a lower bound after our own write, until the next poll
    changed_at   TEXT NOT NULL,             -- modified_at when its mapped fields last changed by other hands than ours
    fields       TEXT NOT NULL CHECK (json_type(fields) = 'object'),
    external_id  TEXT,                      -- the other side's id, as this side's external id field holds it
    converted    INTEGER NOT NULL DEFAULT 0 CHECK (converted IN (0, 1)),
    master_id    TEXT,                      -- the lead that it was merged into
    deleted_at   TEXT,
    seen_at      TEXT NOT NULL,             -- when this state was first seen, by our clock
    dirty        INTEGER NOT NULL DEFAULT 1 CHECK (dirty IN (0, 1)), -- 1: changed since it was last reconciled
    PRIMARY KEY (side, lead_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX lead_by_link ON lead (link_id);
CREATE INDEX lead_dirty ON lead (link_id) WHERE dirty = 1;
CREATE INDEX lead_by_external_id ON lead (external_id) WHERE external_id IS NOT NULL;

-- How an unlinked lead may be found by the other side: one row per rule of [sync].match whose fields are all filled.
CREATE TABLE lead_key (
    rule     INTEGER NOT NULL,
    key      TEXT NOT NULL,
    side     TEXT NOT NULL,
    lead_id  TEXT NOT NULL,
    PRIMARY KEY (rule, key, side, lead_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX lead_key_by_lead ON lead_key (side, lead_id);

-- One Operate lead and one Salesforce lead; or one that waits for the other.
CREATE TABLE link (
    link_id        INTEGER PRIMARY KEY AUTOINCREMENT,
    operate_id     TEXT UNIQUE,
    salesforce_id  TEXT UNIQUE,
    state          TEXT NOT NULL CHECK (state IN ('pending', 'in_step', 'conflict', 'parked', 'converted', 'deleted')),
    origin         TEXT NOT NULL CHECK (origin IN ('match', 'external_id', 'create', 'ambiguous')),
    base           TEXT NOT NULL DEFAULT '{}' CHECK (json_type(base) = 'object'), -- a value, or [Operate's, Salesforce's]
    blocked        TEXT,                    -- a value that cannot be translated, and where it stands
    reason         TEXT,                    -- why it does not move, for people
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    CHECK (operate_id IS NOT NULL OR salesforce_id IS NOT NULL)
) STRICT;
CREATE INDEX link_not_in_step ON link (state) WHERE state <> 'in_step';

-- Every intended write: stored before it is sent, kept as history after.
CREATE TABLE push (
    push_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    link_id     INTEGER NOT NULL REFERENCES link (link_id),
    side        TEXT NOT NULL CHECK (side IN ('operate', 'salesforce')),
    kind        TEXT NOT NULL CHECK (kind IN ('create', 'update', 'delete')),
    fields      TEXT NOT NULL CHECK (json_type(fields) = 'object'), -- what it gives; null clears
    before      TEXT NOT NULL CHECK (json_type(before) = 'object'), -- what the side had
    base        TEXT NOT NULL CHECK (json_type(base) = 'object'),   -- merge patch for link.base once it is done
    state       TEXT NOT NULL CHECK (state IN ('due', 'sent', 'done', 'parked', 'superseded')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      TEXT NOT NULL,
    sent_at     TEXT,
    error_code  TEXT,
    error       TEXT,                       -- the remote system's own words
    created_at  TEXT NOT NULL,
    done_at     TEXT
) STRICT;
-- At most one unsettled push per link and side.
CREATE UNIQUE INDEX push_unsettled ON push (link_id, side) WHERE state IN ('due', 'sent', 'parked');
CREATE INDEX push_by_state ON push (state, side, push_id) WHERE state IN ('due', 'sent', 'parked');
CREATE INDEX push_by_link ON push (link_id);

-- One field that both sides changed to values that do not mean the same, and what became of it.
CREATE TABLE conflict (
    conflict_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    link_id           INTEGER NOT NULL REFERENCES link (link_id),
    field             TEXT NOT NULL,
    base_value        TEXT,                 -- JSON
    operate_value     TEXT,                 -- JSON
    salesforce_value  TEXT,                 -- JSON
    rule              TEXT NOT NULL,
    winner            TEXT CHECK (winner IN ('operate', 'salesforce')),
    state             TEXT NOT NULL CHECK (state IN ('open', 'settled')),
    found_at          TEXT NOT NULL,
    settled_at        TEXT
) STRICT;
CREATE INDEX conflict_by_link ON conflict (link_id);
CREATE UNIQUE INDEX conflict_open ON conflict (link_id, field) WHERE state = 'open';

-- Where each poller goes on.
CREATE TABLE checkpoint (
    side         TEXT PRIMARY KEY CHECK (side IN ('operate', 'salesforce')),
    modified_at  TEXT,
    lead_id      TEXT,
    polled_at    TEXT,                      -- the last complete poll, by our clock
    swept_at     TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE cycle (
    cycle_id             INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at           TEXT NOT NULL,
    ended_at             TEXT,
    seen                 INTEGER NOT NULL DEFAULT 0,  -- leads that were new or changed
    pushed               INTEGER NOT NULL DEFAULT 0,
    conflicts            INTEGER NOT NULL DEFAULT 0,
    parked               INTEGER NOT NULL DEFAULT 0,
    requests_operate     INTEGER NOT NULL DEFAULT 0,
    requests_salesforce  INTEGER NOT NULL DEFAULT 0,
    error                TEXT
) STRICT;

-- Single facts about the store itself, such as the mapping under which the leads were read.
CREATE TABLE fact (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- For people.
CREATE VIEW lead_status AS
SELECT l.link_id, l.operate_id, l.salesforce_id, l.state, l.reason,
       o.fields AS operate_fields, s.fields AS salesforce_fields,
       o.modified_at AS operate_modified_at, s.modified_at AS salesforce_modified_at, l.updated_at
FROM link l
LEFT JOIN lead o ON o.side = 'operate' AND o.lead_id = l.operate_id
LEFT JOIN lead s ON s.side = 'salesforce' AND s.lead_id = l.salesforce_id;

CREATE VIEW due_push AS
SELECT p.push_id, p.link_id, l.operate_id, l.salesforce_id, p.side, p.kind, p.fields, p.state, p.attempts, p.due_at, p.error_code, p.error
FROM push p JOIN link l USING (link_id)
WHERE p.state IN ('due', 'sent');

CREATE VIEW parked_push AS
SELECT p.push_id, p.link_id, l.operate_id, l.salesforce_id, p.side, p.kind, p.fields, p.attempts, p.error_code, p.error, p.created_at
FROM push p JOIN link l USING (link_id)
WHERE p.state = 'parked';

CREATE VIEW open_conflict AS
SELECT c.conflict_id, c.link_id, l.operate_id, l.salesforce_id, c.field, c.base_value, c.operate_value, c.salesforce_value, c.found_at
FROM conflict c JOIN link l USING (link_id)
WHERE c.state = 'open';

CREATE VIEW history AS
SELECT p.link_id, l.operate_id, l.salesforce_id, coalesce(p.done_at, p.created_at) AS at, 'push' AS event, p.side, p.kind, p.state,
       p.before, p.fields AS after, p.error
FROM push p JOIN link l USING (link_id)
UNION ALL
SELECT c.link_id, l.operate_id, l.salesforce_id, coalesce(c.settled_at, c.found_at), 'conflict', c.winner, c.field || ' by ' || c.rule,
       c.state, json_array(json(c.base_value)), json_array(json(c.operate_value), json(c.salesforce_value)), NULL
FROM conflict c JOIN link l USING (link_id);

-- What the query planner goes by: a workspace of 20,000 leads in step. Fixed figures, so that queries run the same way on the first
-- day as later; without any, the planner takes a side of `lead` for ten rows, and a page of leads for a reason to read them all.
ANALYZE;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('lead', 'lead', '40000 20000 1'),
    ('lead', 'lead_by_link', '40000 2'),
    ('lead', 'lead_dirty', '100 2'),
    ('lead', 'lead_by_external_id', '20000 1'),
    ('lead_key', 'lead_key', '20000 10000 2 2 1'),
    ('lead_key', 'lead_key_by_lead', '20000 10000 2'),
    ('link', 'sqlite_autoindex_link_1', '20000 1'),
    ('link', 'sqlite_autoindex_link_2', '20000 1'),
    ('link', 'link_not_in_step', '200 50'),
    ('push', 'push_by_link', '60000 3'),
    ('push', 'push_by_state', '1000 400 200 1'),
    ('push', 'push_unsettled', '1000 1 1'),
    ('conflict', 'conflict_by_link', '1000 2'),
    ('conflict', 'conflict_open', '100 1 1');
ANALYZE sqlite_schema;
