-- Up Migration

ALTER TABLE documents ADD COLUMN category text;
CREATE INDEX documents_category ON documents (category);

-- Down Migration

DROP INDEX documents_category;
ALTER TABLE documents DROP COLUMN category;
