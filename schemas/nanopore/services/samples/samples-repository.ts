/**
 * Samples as the samples service works with them, once it owns its database: while the monolith does, rows come from there, and what
 * is written here besides would show as a difference in `sluice verify`.
 */
import type { ServiceDatabase } from '@sluice/database-manager'

export interface Sample {
  readonly id: string
  readonly sample_id: string
  readonly sample_name: string
  readonly project_id: string | null
  readonly submitter_name: string
  readonly lab_name: string | null
  readonly sample_type: string
  readonly status: string
  readonly priority: string
}

export interface NewSample {
  readonly sampleId: string
  readonly sampleName: string
  readonly submitterName: string
  readonly sampleType: string
  readonly projectId?: string
  readonly labName?: string
  /** Names of the steps of its work, in their order. */
  readonly steps: readonly string[]
}

export interface SampleSearch {
  /** As people write them: words, "phrases", or, -not. https://www.postgresql.org/docs/current/textsearch-controls.html */
  readonly words: string
  readonly status?: string
  /** From 1 to 200. @default 50 */
  readonly limit?: number
}

export interface NewAttachment {
  readonly fileName: string
  readonly fileType: string
  readonly sizeBytes: number
  readonly sha256: Buffer
}

const COLUMNS = 'id, sample_id, sample_name, project_id, submitter_name, lab_name, sample_type, status, priority'

export class SamplesRepository {
  readonly #database: ServiceDatabase

  constructor(database: ServiceDatabase) {
    this.#database = database
  }

  /** With its steps, all pending: both or nothing. @returns the sample's id */
  async register(sample: NewSample): Promise<string> {
    return this.#database.transaction(
      async (transaction) => {
        const { rows } = await transaction.query<{ id: string }>(
          `INSERT INTO nanopore_samples (sample_id, sample_name, submitter_name, sample_type, project_id, lab_name)
           VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
          [
            sample.sampleId,
            sample.sampleName,
            sample.submitterName,
            sample.sampleType,
            sample.projectId ?? null,
            sample.labName ?? null,
          ],
        )
        const { id } = rows[0]!
        await transaction.query(
          `INSERT INTO nanopore_processing_steps (sample_id, step_name, step_order)
           SELECT $1, name, position FROM unnest($2::text[]) WITH ORDINALITY AS step (name, position)`,
          [id, sample.steps],
        )
        return id
      },
      { purpose: 'register a sample' },
    )
  }

  async find(id: string): Promise<Sample | null> {
    return this.#database.read(
      async (transaction) => {
        const { rows } = await transaction.query<Sample>(`SELECT ${COLUMNS} FROM nanopore_samples WHERE id = $1`, [id])
        return rows[0] ?? null
      },
      { purpose: 'find a sample' },
    )
  }

  /** The best matches first. */
  async search({ words, status, limit = 50 }: SampleSearch): Promise<readonly Sample[]> {
    return this.#database.read(
      async (transaction) => {
        const { rows } = await transaction.query<Sample>(
          `SELECT ${COLUMNS} FROM nanopore_samples, websearch_to_tsquery('simple', $1) AS query
           WHERE search_document @@ query AND ($2::text IS NULL OR status = $2)
           ORDER BY ts_rank(search_document, query) DESC, id LIMIT $3`,
          [words, status ?? null, Math.min(200, Math.max(1, limit))],
        )
        return rows
      },
      { purpose: 'search samples' },
    )
  }

  /** @returns false where there is no such sample */
  async rename(id: string, sampleName: string): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      'UPDATE nanopore_samples SET sample_name = $2, updated_at = now() WHERE id = $1',
      [id, sampleName],
    )
    return rowCount === 1
  }

  /** With its details, steps and attachments. @returns false where there is no such sample */
  async remove(id: string): Promise<boolean> {
    const { rowCount } = await this.#database.query('DELETE FROM nanopore_samples WHERE id = $1', [id])
    return rowCount === 1
  }

  /**
   * Ends the step that is next, and begins the one after it; the last one completes the sample. Two who call it at once end two steps.
   *
   * @returns the step that was ended, null where none is left
   */
  async completeNextStep(id: string): Promise<string | null> {
    return this.#database.transaction(
      async (transaction) => {
        // The sample's row is the lock of its steps.
        await transaction.query('SELECT FROM nanopore_samples WHERE id = $1 FOR UPDATE', [id])
        const { rows } = await transaction.query<{ step_name: string; left: number }>(
          `WITH open AS (
             SELECT id, row_number() OVER (ORDER BY step_order, id) AS place FROM nanopore_processing_steps
             WHERE sample_id = $1 AND status IN ('pending', 'in_progress')),
           moved AS (
             UPDATE nanopore_processing_steps s SET
               status = CASE open.place WHEN 1 THEN 'completed' ELSE 'in_progress' END,
               started_at = coalesce(s.started_at, now()),
               completed_at = CASE open.place WHEN 1 THEN now() END
             FROM open WHERE s.id = open.id AND open.place <= 2 RETURNING s.step_name, open.place)
           SELECT step_name, (SELECT count(*) - 1 FROM open)::integer AS left FROM moved WHERE place = 1`,
          [id],
        )
        const [ended] = rows
        if (ended === undefined) return null
        await transaction.query(
          `UPDATE nanopore_samples SET status = CASE WHEN $2 THEN 'completed' ELSE 'prep' END, updated_at = now(),
             completed_at = CASE WHEN $2 THEN now() END WHERE id = $1`,
          [id, ended.left === 0],
        )
        return ended.step_name
      },
      { purpose: 'complete a step of a sample' },
    )
  }

  /** @returns the attachment's id */
  async attach(id: string, attachment: NewAttachment): Promise<string> {
    const { rows } = await this.#database.query<{ id: string }>(
      `INSERT INTO nanopore_attachments (sample_id, file_name, file_type, size_bytes, sha256) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
      [id, attachment.fileName, attachment.fileType, attachment.sizeBytes, attachment.sha256],
    )
    return rows[0]!.id
  }

  async attachmentNames(id: string): Promise<readonly string[]> {
    return this.#database.read(
      async (transaction) => {
        const { rows } = await transaction.query<{ file_name: string }>(
          'SELECT file_name FROM nanopore_attachments WHERE sample_id = $1 ORDER BY uploaded_at, id',
          [id],
        )
        return rows.map((row) => row.file_name)
      },
      { purpose: 'list the attachments of a sample' },
    )
  }
}
