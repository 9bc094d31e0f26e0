-- Changes of the mapping and of the filters.

-- Every mapping that was in use. fields: a JSON object, by the name of each field all that its values depend on.
CREATE TABLE mapping (
    mapping_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    fields         TEXT NOT NULL CHECK (json_type(fields) = 'object'),
    first_used_at  TEXT NOT NULL
) STRICT;

-- The mapping that each write was decided under.
ALTER TABLE push ADD COLUMN mapping_id INTEGER REFERENCES mapping (mapping_id);

-- Why nothing is decided for a lead: `filtered`, it is outside the filter; `unread`, it was not seen since the mapping or a filter changed.
ALTER TABLE lead ADD COLUMN aside TEXT CHECK (aside IN ('filtered', 'unread'));

-- What the lead was under the mapping that the base of its link is of, until the link is decided under the present one:
-- {"mapping": …, "modified_at": …, "fields": {…}}
ALTER TABLE lead ADD COLUMN former TEXT;

CREATE INDEX lead_aside ON lead (link_id) WHERE aside IS NOT NULL;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('lead', 'lead_aside', '100 1');
ANALYZE sqlite_schema;
