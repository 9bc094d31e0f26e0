-- Deletes, brakes and budgets.

-- 1: one of the writes by which two leads come into step for the first time, or one that only tells a lead the id of the other;
-- the brake `max_change` does not count it.
ALTER TABLE push ADD COLUMN initial INTEGER NOT NULL DEFAULT 0 CHECK (initial IN (0, 1));

-- Up to when the side's own log of changes was compared, by its clock.
ALTER TABLE checkpoint ADD COLUMN covered_at TEXT;

-- Why writes were held back, and the requests of 24 hours that Salesforce counted and allows, for all programs together.
ALTER TABLE cycle ADD COLUMN held TEXT;
ALTER TABLE cycle ADD COLUMN usage_salesforce INTEGER;
ALTER TABLE cycle ADD COLUMN limit_salesforce INTEGER;
CREATE INDEX cycle_by_start ON cycle (started_at);

-- Leads that were merged into another and still have their link.
CREATE INDEX lead_merged ON lead (link_id) WHERE master_id IS NOT NULL AND link_id IS NOT NULL;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('cycle', 'cycle_by_start', '100000 1'),
    ('lead', 'lead_merged', '100 1');
ANALYZE sqlite_schema;
