/**
 * Opportunities and awarded amounts by agency. An update says what an opportunity is now, not what it was, so
 * `counted_opportunities` remembers what each one counts for, and the counters move by the difference.
 */
import { type ProjectedEvent, type ProjectionTransaction, handler } from '@sluice/system'
import { opportunities } from '../../tables.ts'

export const agencyStatistics = handler('agency-statistics', {
  tables: [opportunities],
  expectations: [
    {
      targetSchema: 'public',
      target: 'agency_statistics',
      key: ['agency'],
      columns: ['agency', 'opportunities', 'awarded_amount'],
      query: `SELECT agency, count(*) AS opportunities, sum(coalesce(award_amount, 0))::numeric(20, 2) AS awarded_amount
              FROM public.opportunities GROUP BY agency`,
    },
    {
      targetSchema: 'public',
      target: 'counted_opportunities',
      key: ['opportunity_id'],
      columns: ['opportunity_id', 'agency', 'award_amount'],
      query: `SELECT id AS opportunity_id, agency, coalesce(award_amount, 0)::numeric(14, 2) AS award_amount
              FROM public.opportunities`,
    },
  ],
  apply: async (event, transaction) => {
    if (event.op === 't') {
      await transaction.query('DELETE FROM counted_opportunities')
      await transaction.query('DELETE FROM agency_statistics')
      return
    }
    await followKeyChange(event, transaction)
    await transaction.query(MOVE_COUNTERS, [
      event.after?.['id'] ?? event.before?.['id'],
      event.after !== null,
      event.after?.['agency'] ?? null,
      event.after !== null && 'award_amount' in event.after,
      event.after?.['award_amount'] ?? null,
    ])
    if (event.op === 'u' || event.op === 'd') await transaction.query('DELETE FROM agency_statistics WHERE opportunities = 0')
  },
})

async function followKeyChange(event: ProjectedEvent, transaction: ProjectionTransaction): Promise<void> {
  const former = event.before?.['id']
  const present = event.after?.['id']
  if (former === undefined || present === undefined || former === present) return
  await transaction.query('UPDATE counted_opportunities SET opportunity_id = $2::uuid WHERE opportunity_id = $1::uuid', [
    former,
    present,
  ])
}

/** $1 opportunity, $2 does it still exist, $3 agency (NULL: unavailable), $4 is the amount available, $5 amount. */
const MOVE_COUNTERS = `
  WITH former AS (SELECT agency, award_amount FROM counted_opportunities WHERE opportunity_id = $1::uuid),
  present AS (
    SELECT coalesce($3::text, (SELECT agency FROM former)) AS agency,
           CASE WHEN $4::boolean THEN coalesce($5::numeric, 0) ELSE (SELECT award_amount FROM former) END AS award_amount
    WHERE $2::boolean
  ),
  kept AS (
    INSERT INTO counted_opportunities (opportunity_id, agency, award_amount)
    SELECT $1::uuid, agency, award_amount FROM present
    ON CONFLICT (opportunity_id) DO UPDATE SET agency = excluded.agency, award_amount = excluded.award_amount
  ),
  removed AS (DELETE FROM counted_opportunities WHERE opportunity_id = $1::uuid AND NOT $2::boolean),
  difference AS (
    SELECT agency, sum(opportunities) AS opportunities, sum(award_amount) AS award_amount
    FROM (
      SELECT agency, -1 AS opportunities, -award_amount AS award_amount FROM former
      UNION ALL
      SELECT agency, 1, award_amount FROM present
    ) AS sides
    GROUP BY agency
  )
  INSERT INTO agency_statistics AS s (agency, opportunities, awarded_amount)
  SELECT agency, opportunities, award_amount FROM difference
  ON CONFLICT (agency) DO UPDATE SET
    opportunities = s.opportunities + excluded.opportunities,
    awarded_amount = s.awarded_amount + excluded.awarded_amount`
