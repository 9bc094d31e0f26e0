-- Leads to be paired are gone through in the order of side and id. SQLite's index has the primary key at its end anyway.
DROP INDEX lead_dirty;
CREATE INDEX lead_dirty ON lead_state (link_id, side, lead_id) WHERE dirty = 1;
