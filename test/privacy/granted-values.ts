/** What the service that is granted the encrypted columns shows of a person. */
import type { PrivatePipeline } from './private-pipeline.ts'

/** Of a person who is erased. */
export const ERASED = { full_name: '[erased]', born: null, salary: '0.00', remark: '[erased]', line: '[erased]' }

export async function contactOf(pipeline: PrivatePipeline, account: number): Promise<unknown> {
  const { rows } = await pipeline.clients.crm.query(
    `SELECT c.full_name, c.born::text, c.salary::text, v.remark, g.line FROM contacts c LEFT JOIN visits v ON v.person_code = c.code
       LEFT JOIN greetings g ON g.code = c.code WHERE c.account = $1`,
    [account],
  )
  return rows[0]
}
