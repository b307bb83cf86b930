-- The table of the plan, with what Sluice keeps of each event. Times are DateTime64 in UTC, so that they are held exactly; a value that an
-- event does not have (a removal has no row) has the column's default, and its name stands in `unavailable`. A deadline may be `infinity`,
-- open until filled, which no DateTime64 holds: it comes as text, and is NULL as a time.
CREATE TABLE IF NOT EXISTS opportunity_events (
  event_id UUID,
  opportunity_id UUID DEFAULT aggregate_id,
  event_type LowCardinality(String),
  notice_type LowCardinality(String),
  agency String,
  set_aside_type Nullable(String),
  naics_code Nullable(String),
  award_amount Nullable(Decimal(18, 2)),
  response_deadline_text Nullable(String),
  response_deadline Nullable(DateTime64(6, 'UTC')) MATERIALIZED parseDateTime64BestEffortOrNull(response_deadline_text, 6, 'UTC'),
  created_at DateTime64(6, 'UTC') DEFAULT committed_at,
  user_id Nullable(UUID),
  company_id Nullable(UUID),
  aggregate_id UUID,
  lane UInt16,
  position UInt64,
  op LowCardinality(String),
  committed_at DateTime64(6, 'UTC'),
  unavailable Array(LowCardinality(String)),
  INDEX idx_opportunity_id opportunity_id TYPE bloom_filter GRANULARITY 1,
  INDEX idx_event_type event_type TYPE set(100) GRANULARITY 1,
  INDEX idx_created_at created_at TYPE minmax GRANULARITY 1
) ENGINE = ReplacingMergeTree(position)
PARTITION BY toYYYYMM(created_at)
ORDER BY (created_at, opportunity_id, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
