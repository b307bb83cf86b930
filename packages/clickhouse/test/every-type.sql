-- A column of each type that is written into.
CREATE TABLE IF NOT EXISTS every_type (
  event_id UUID,
  aggregate_id UUID,
  lane UInt16,
  position UInt64,
  op LowCardinality(String),
  committed_at DateTime64(6, 'UTC'),
  unavailable Array(LowCardinality(String)),
  word LowCardinality(Nullable(String)),
  story String,
  id UUID,
  count UInt64,
  amount Nullable(Decimal(18, 4)),
  is_new Bool,
  ratio Float64,
  day Date,
  birthday Date32,
  at DateTime('UTC'),
  at_micros Nullable(DateTime64(6, 'UTC'))
) ENGINE = ReplacingMergeTree(position)
ORDER BY event_id
