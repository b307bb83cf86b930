CREATE TABLE IF NOT EXISTS client_events (
  event_id UUID,
  aggregate_id UUID,
  lane UInt16,
  position UInt64,
  op LowCardinality(String),
  committed_at DateTime64(6, 'UTC'),
  unavailable Array(LowCardinality(String)),
  kind LowCardinality(String),
  name String,
  bio Nullable(String)
) ENGINE = ReplacingMergeTree(position)
ORDER BY (committed_at, event_id)
