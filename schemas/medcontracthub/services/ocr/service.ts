/** Owns the documents and the texts read from them, and announces each text. */
import { type ServiceDefinition, mapTable, sql } from '@sluice/system'
import { contractDocuments } from '../../tables.ts'
import { documentEventsTopic } from '../../topics.ts'
import { textEvents } from './text-events.ts'

export const ocr: ServiceDefinition = {
  migrations: new URL('./migrations/', import.meta.url),
  outbox: { topic: documentEventsTopic },
  projections: [
    mapTable(contractDocuments, {
      into: 'documents',
      columns: (c) => ({
        document_id: c.id,
        opportunity_id: c.opportunity_id,
        file_name: c.file_name,
        document_type: c.document_type,
        size_kib: sql`ceil(${c.size_bytes} / 1024.0)::bigint`,
        content_sha256: c.sha256,
        page_count: c.page_count,
        confidence: c.confidence,
        tags: c.tags,
        metadata: c.metadata,
        is_public: c.is_public,
        processing_time: c.processing_time,
        uploaded_at: c.uploaded_at,
        processed_at: c.processed_at,
      }),
      tracking: (e) => ({ processing_correlation_id: e.correlationUuid }),
    }),
    mapTable(contractDocuments, {
      into: 'document_texts',
      columns: (c) => ({ document_id: c.id, body: c.content_text }),
    }),
    textEvents,
  ],
}
