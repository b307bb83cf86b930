-- A table of events as a service team writes it: Sluice's columns, then its own.
CREATE TABLE IF NOT EXISTS readings (
  event_id UUID,
  aggregate_id UUID,
  lane UInt16,
  position UInt64,
  op LowCardinality(String),
  committed_at DateTime64(6, 'UTC'),
  unavailable Array(LowCardinality(String)),
  kind LowCardinality(String),
  note Nullable(String),
  amount Nullable(Decimal(18, 2)),
  taken_at DateTime64(6, 'UTC') DEFAULT committed_at,
  count Int64,
  CONSTRAINT few CHECK count < 1000000
) ENGINE = ReplacingMergeTree(position)
PARTITION BY toYYYYMM(taken_at)
ORDER BY (taken_at, event_id)
