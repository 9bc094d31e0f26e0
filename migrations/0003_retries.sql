-- When a person last had the link's parked writes tried again: fields that swung back and forth before are given once more.
ALTER TABLE link ADD COLUMN retried_at TEXT;
