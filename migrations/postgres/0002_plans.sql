-- What PostgreSQL's planner has to know, and SQLite's need not be told.

-- A list in JSON names a few leads among many, a few hundred at most: by default a thousand rows are expected of it, and a whole table is read for two.
ALTER FUNCTION json_each(text) ROWS 5;

-- The leads that a sweep was told of. Between its statements other stores have the connection, so it is no temporary table.
CREATE TABLE listed (
    lead_id     TEXT COLLATE "C" PRIMARY KEY,
    takes_part  BIGINT NOT NULL
);
