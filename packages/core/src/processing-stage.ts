/** The stages of a change's path, as `service_processing_log` and `sluice trace` name them. */
export const PROCESSING_STAGES = ['reader', 'relay', 'projector'] as const
export type ProcessingStage = (typeof PROCESSING_STAGES)[number]
