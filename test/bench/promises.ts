/** What `--check` holds a scenario to, by the kernel's count of memory and by plain SQL over both databases. */
import type { Client } from 'pg'
import type { TestSystem } from '../harness/test-system.ts'
import type { BenchResult } from './result.ts'

/** Promise 8, as the fault suite and operators are told it. */
export const RSS_MIB_MAX = 512

/** One text over every row in the order of its key, at most 10,000 of them at a time. */
const HASH_OF_ROWS = `
  SELECT count(*)::text || ' pieces, ' || coalesce(md5(string_agg(hash, '' ORDER BY piece)), 'no row') AS hash
  FROM (
    SELECT id / 10000 AS piece, md5(string_agg(hash, '' ORDER BY id)) AS hash
    FROM (SELECT id, md5(r::text) AS hash FROM rows AS r) AS hashed GROUP BY 1
  ) AS pieces`

/** What does not hold; nothing, if all does. */
export async function brokenPromises(
  system: TestSystem,
  { scenario, rssMiBMax }: BenchResult,
  rssBound: number,
): Promise<readonly string[]> {
  const tooLarge = Object.entries(rssMiBMax).flatMap(([name, mib]) =>
    mib > rssBound ? [`${scenario}: ${name} took ${mib} MiB of memory, ${rssBound} may be`] : [],
  )
  if (!Object.hasOwn(rssMiBMax, 'projector copy')) return tooLarge
  const [wanted, found] = await Promise.all(['monolith', 'copy'].map(async (name) => hashOfRows(await system.client(name))))
  if (wanted === found) return tooLarge
  return [...tooLarge, `${scenario}: the rows differ: ${wanted} in the monolith, ${found} in the service`]
}

async function hashOfRows(client: Client): Promise<string> {
  const { rows } = await client.query<{ hash: string }>(HASH_OF_ROWS)
  return rows[0]!.hash
}
