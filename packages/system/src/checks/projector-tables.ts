/** Tables and views in `public` of a service database that belong to its projector; no projection writes them. */
export const PROJECTOR_TABLES: ReadonlySet<string> = new Set([
  'processed_events',
  'processed_truncates',
  'projector_positions',
  'consumed_offsets',
  'parked_events',
  'parked_event_commands',
  'parked_event_results',
  'parked_event_edits',
  'projector_barriers',
  'processing_batches',
  'service_processing_log',
  'erased_subjects',
])
