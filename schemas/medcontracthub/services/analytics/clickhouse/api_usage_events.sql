-- The table of the plan, with what Sluice keeps of each event. A user and a company are NULL where the call had none.
CREATE TABLE IF NOT EXISTS api_usage_events (
  event_id UUID,
  user_id Nullable(UUID),
  company_id Nullable(UUID),
  endpoint String,
  method LowCardinality(String),
  status_code UInt16,
  response_time_ms UInt32,
  cost_units Decimal(18, 4),
  timestamp DateTime64(6, 'UTC') DEFAULT committed_at,
  metadata String,
  aggregate_id UUID,
  lane UInt16,
  position UInt64,
  op LowCardinality(String),
  committed_at DateTime64(6, 'UTC'),
  unavailable Array(LowCardinality(String))
) ENGINE = ReplacingMergeTree(position)
PARTITION BY toYYYYMM(timestamp)
ORDER BY (timestamp, user_id, event_id)
SETTINGS allow_nullable_key = 1, fsync_after_insert = 1, fsync_part_directory = 1
