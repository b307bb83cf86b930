/** Texts that the OCR service announced: fed by its outbox alone, so it is compared with the OCR service's database. */
import { handler } from '@sluice/system'
import {
  DOCUMENT_TEXTS_CLEARED,
  DOCUMENT_TEXT_EXTRACTED,
  DOCUMENT_TEXT_MOVED,
  DOCUMENT_TEXT_WITHDRAWN,
} from '../ocr/text-events.ts'
import { parsePayload } from './payload.ts'

export const documentNotices = handler('document-notices', {
  eventTypes: [DOCUMENT_TEXT_EXTRACTED, DOCUMENT_TEXT_WITHDRAWN, DOCUMENT_TEXT_MOVED, DOCUMENT_TEXTS_CLEARED],
  expectations: [
    {
      source: 'ocr',
      targetSchema: 'public',
      target: 'document_notices',
      key: ['document_id'],
      columns: ['document_id', 'characters'],
      query: 'SELECT document_id, length(body) AS characters FROM public.document_texts WHERE body IS NOT NULL',
    },
  ],
  apply: async (event, transaction) => {
    switch (event.eventType) {
      case DOCUMENT_TEXT_EXTRACTED: {
        const { documentId, characters } = parsePayload(event, { documentId: 'string', characters: 'number' })
        await transaction.query(
          `INSERT INTO document_notices (document_id, characters) VALUES ($1::uuid, $2::integer)
           ON CONFLICT (document_id) DO UPDATE SET characters = excluded.characters`,
          [documentId, characters],
        )
        return
      }
      case DOCUMENT_TEXT_WITHDRAWN: {
        const { documentId } = parsePayload(event, { documentId: 'string' })
        await transaction.query('DELETE FROM document_notices WHERE document_id = $1::uuid', [documentId])
        return
      }
      case DOCUMENT_TEXT_MOVED: {
        const { documentId, formerId } = parsePayload(event, { documentId: 'string', formerId: 'string' })
        await transaction.query('UPDATE document_notices SET document_id = $2::uuid WHERE document_id = $1::uuid', [
          formerId,
          documentId,
        ])
        return
      }
      case DOCUMENT_TEXTS_CLEARED:
        await transaction.query('DELETE FROM document_notices')
    }
  },
})
