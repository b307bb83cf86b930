CREATE TABLE IF NOT EXISTS notice_events (
  event_id UUID,
  aggregate_id UUID,
  lane UInt16,
  position UInt64,
  op LowCardinality(String),
  committed_at DateTime64(6, 'UTC'),
  unavailable Array(LowCardinality(String)),
  title LowCardinality(String),
  body Nullable(String),
  pages Nullable(Decimal(18, 4)),
  labels Nullable(String),
  kind String,
  correlation UUID
) ENGINE = ReplacingMergeTree(position)
ORDER BY event_id
