-- Up Migration

ALTER TABLE documents
  -- Of the program that read the document: the service writes it, no event of the monolith knows it.
  ADD COLUMN ocr_service_version varchar(20),
  -- Correlation of the event that wrote the row: the projector's.
  ADD COLUMN processing_correlation_id uuid;

-- Down Migration

ALTER TABLE documents DROP COLUMN processing_correlation_id, DROP COLUMN ocr_service_version;
