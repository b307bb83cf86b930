/**
 * The OCR service's own events, written into its outbox in the projector's transaction. Their cause is the document's
 * event, their correlation is that event's: both come from the context that the handler runs in.
 */
import { namespaceBytes, uuidV5 } from '@sluice/core'
import { type JsonValue, writeOutboxEvent } from '@sluice/outbox'
import { type ProjectedEvent, type ProjectionTransaction, handler } from '@sluice/system'
import { contractDocuments } from '../../tables.ts'

export const DOCUMENT_TEXT_EXTRACTED = 'DocumentTextExtracted'
export const DOCUMENT_TEXT_WITHDRAWN = 'DocumentTextWithdrawn'
export const DOCUMENT_TEXT_MOVED = 'DocumentTextMoved'
export const DOCUMENT_TEXTS_CLEARED = 'DocumentTextsCleared'

export const textEvents = handler('text-events', {
  tables: [contractDocuments],
  isEventsOnly: true,
  apply: async (event, transaction) => {
    if (event.op === 't') {
      await emit(event, transaction, 'all', DOCUMENT_TEXTS_CLEARED, {})
      return
    }
    const documentId = event.after?.['id'] ?? event.before?.['id']
    if (documentId === undefined || documentId === null) return
    if (event.op === 'd') {
      await emit(event, transaction, documentId, DOCUMENT_TEXT_WITHDRAWN, { documentId })
      return
    }
    const formerId = event.before?.['id'] ?? documentId
    if (formerId !== documentId) await emit(event, transaction, documentId, DOCUMENT_TEXT_MOVED, { documentId, formerId })
    await announceText(event, transaction, documentId)
  },
})

/** Absent: PostgreSQL did not send the text because it is unchanged. */
async function announceText(event: ProjectedEvent, transaction: ProjectionTransaction, documentId: string): Promise<void> {
  const content = event.after?.['content_text']
  if (content === undefined) return
  if (content !== null) {
    // Characters as PostgreSQL counts them: code points.
    const characters = Array.from(content).length
    await emit(event, transaction, documentId, DOCUMENT_TEXT_EXTRACTED, { documentId, characters })
  } else if (event.op === 'u') {
    await emit(event, transaction, documentId, DOCUMENT_TEXT_WITHDRAWN, { documentId })
  }
}

async function emit(
  event: ProjectedEvent,
  transaction: ProjectionTransaction,
  aggregateId: string,
  eventType: string,
  payload: JsonValue,
): Promise<void> {
  const id = uuidV5(namespaceBytes(event.eventId), eventType)
  await writeOutboxEvent(transaction, { id, aggregateType: 'DocumentText', aggregateId, eventType, payload }, { deleteRow: true })
}
