/**
 * Jobs and results as the AI service works with them, once it owns its database.
 *
 *   queued → running → completed | queued again | failed
 *
 * A worker has a job for one attempt. One that died leaves it running; it is taken again when its time is over, as another attempt, and
 * what the first worker says later is refused: a job has one result.
 */
import type { ServiceDatabase } from '@sluice/database-manager'

export type ExtractionMethod = 'llm' | 'pattern' | 'hybrid' | 'rag'

export interface ProcessingJob {
  readonly id: string
  readonly sample_id: string | null
  readonly job_type: string
  readonly attempts: number
}

export interface NewResult {
  readonly method: ExtractionMethod
  readonly data: Readonly<Record<string, unknown>>
  /** From 0 to 1. */
  readonly confidence: number
  readonly modelName: string | null
  readonly processingMs: number
}

export interface MethodFigures {
  readonly extraction_method: ExtractionMethod
  readonly results: number
  readonly average_confidence: number
  readonly average_ms: number
  readonly to_review: number
}

/** What a worker holds: the job, and which attempt at it. */
export type JobAttempt = Pick<ProcessingJob, 'id' | 'attempts'>

/** After so long without an end, a worker is taken for dead. */
const ATTEMPT_MINUTES = 15
/** A result below it is looked at by a person. */
const CONFIDENT = 0.8

export class AiRepository {
  readonly #database: ServiceDatabase

  constructor(database: ServiceDatabase) {
    this.#database = database
  }

  /** @returns the job's id */
  async enqueue(jobType: string, sampleId: string, priority = 0): Promise<string> {
    const { rows } = await this.#database.query<{ id: string }>(
      'INSERT INTO ai_processing_jobs (job_type, sample_id, priority) VALUES ($1, $2, $3) RETURNING id',
      [jobType, sampleId, priority],
    )
    return rows[0]!.id
  }

  /** The next job, for one worker alone, however many ask at once. @returns null where none is queued, or left by a dead worker */
  async take(): Promise<ProcessingJob | null> {
    const { rows } = await this.#database.query<ProcessingJob>(
      `UPDATE ai_processing_jobs SET status = 'running', attempts = attempts + 1, started_at = now()
       WHERE id = (SELECT id FROM ai_processing_jobs 
                   WHERE status = 'queued' OR (status = 'running' AND started_at < now() - make_interval(mins => $1))
                   ORDER BY priority DESC, queued_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING id, sample_id, job_type, attempts`,
      [ATTEMPT_MINUTES],
    )
    return rows[0] ?? null
  }

  /**
   * The result and the end of its job: both or nothing. Confident results are valid, others wait for a person.
   *
   * @returns false where the attempt is over already: its result is there, or another worker has the job
   */
  async complete({ id, attempts }: JobAttempt, result: NewResult): Promise<boolean> {
    return this.#database.transaction(
      async (transaction) => {
        const { rowCount } = await transaction.query(
          `UPDATE ai_processing_jobs SET status = 'completed', finished_at = now()
           WHERE id = $1 AND attempts = $2 AND status = 'running'`,
          [id, attempts],
        )
        if (rowCount !== 1) return false
        await transaction.query(
          `INSERT INTO ai_extraction_results
             (job_id, extraction_method, extracted_data, confidence, model_name, processing_ms, validation_status)
           VALUES ($1, $2, $3::jsonb, $4, $5, $6, $7)`,
          [
            id,
            result.method,
            JSON.stringify(result.data),
            result.confidence,
            result.modelName,
            result.processingMs,
            result.confidence >= CONFIDENT ? 'valid' : 'pending',
          ],
        )
        return true
      },
      { purpose: 'complete a job' },
    )
  }

  /** Queued again up to a number of attempts, then failed. @returns false where the attempt is over already */
  async fail({ id, attempts }: JobAttempt, error: string, attemptsMax = 3): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      `UPDATE ai_processing_jobs SET error = $2,
         status = CASE WHEN attempts < $3 THEN 'queued' ELSE 'failed' END,
         finished_at = CASE WHEN attempts < $3 THEN NULL ELSE now() END
       WHERE id = $1 AND attempts = $4 AND status = 'running'`,
      [id, error, attemptsMax, attempts],
    )
    return rowCount === 1
  }

  /** What a person said of a result. @returns false where it was judged already */
  async validate(resultId: string, status: 'valid' | 'invalid' | 'corrected'): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      `UPDATE ai_extraction_results SET validation_status = $2 WHERE id = $1 AND validation_status = 'pending'`,
      [resultId, status],
    )
    return rowCount === 1
  }

  /** The day's figures of a model, from its results. */
  async recordPerformance(modelName: string, measuredOn: string): Promise<void> {
    await this.#database.transaction(
      (transaction) =>
        transaction.query(
          `INSERT INTO ai_model_performance
             (model_name, extraction_method, measured_on, requests, failures, average_confidence, average_ms)
           SELECT $1, extraction_method, $2::date, count(*), count(*) FILTER (WHERE validation_status = 'invalid'),
                  avg(confidence), avg(processing_ms)::integer
           FROM ai_extraction_results
           WHERE model_name = $1 AND created_at >= $2::date AND created_at < $2::date + 1 GROUP BY extraction_method`,
          [modelName, measuredOn],
        ),
      { purpose: 'record the performance of a model' },
    )
  }

  async figuresByMethod(): Promise<readonly MethodFigures[]> {
    return this.#database.read(
      async (transaction) => {
        const { rows } = await transaction.query<MethodFigures>(
          `SELECT extraction_method, count(*)::integer AS results, avg(confidence)::double precision AS average_confidence,
                  avg(processing_ms)::double precision AS average_ms,
                  (count(*) FILTER (WHERE validation_status = 'pending'))::integer AS to_review
           FROM ai_extraction_results GROUP BY 1 ORDER BY 1`,
        )
        return rows
      },
      { purpose: 'figures by method of extraction' },
    )
  }
}
