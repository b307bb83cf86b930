/** Who the source is, from its replication protocol: system, timeline, database. */
import { type Lsn, SluiceError, parseLsn } from '@sluice/core'
import { type PostgresTarget, sessionConfig } from '@sluice/postgres'
import pg from 'pg'
import { toReplicationError } from './replication-error.ts'

export interface SourceIdentity {
  readonly systemIdentifier: string
  readonly timeline: number
  readonly databaseName: string
}

/** Where a timeline was left for the next one. */
export interface TimelineSwitch {
  readonly timeline: number
  readonly at: Lsn
}

interface ReplicationConfig extends pg.ClientConfig {
  readonly replication: 'database'
}

/** A connection that understands replication commands. The caller ends it. */
export async function connectForReplication(target: PostgresTarget, applicationName: string): Promise<pg.Client> {
  const config: ReplicationConfig = { ...sessionConfig(target, { applicationName }), replication: 'database' }
  const client = new pg.Client(config)
  // A connection that breaks between two commands emits an error; the next command on it rejects and says so.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return client
  } catch (error) {
    throw toReplicationError(error, target, { slotName: '' })
  }
}

/** https://www.postgresql.org/docs/17/protocol-replication.html#PROTOCOL-REPLICATION-IDENTIFY-SYSTEM */
export async function identifySource(client: pg.Client): Promise<SourceIdentity> {
  const { rows } = await client.query<{ systemid: string; timeline: number | string; dbname: string }>('IDENTIFY_SYSTEM')
  const row = rows[0]!
  return { systemIdentifier: row.systemid, timeline: Number(row.timeline), databaseName: row.dbname }
}

/** The timelines that led to this one. */
export async function timelineHistory(client: pg.Client, timeline: number): Promise<readonly TimelineSwitch[]> {
  const { rows } = await client.query<{ content: Buffer | string }>(`TIMELINE_HISTORY ${timeline}`)
  return parseTimelineHistory(String(rows[0]?.content ?? ''))
}

/** Lines of `timeline LSN reason`; others are comments. */
export function parseTimelineHistory(text: string): readonly TimelineSwitch[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line)
    return match ? [{ timeline: Number(match[1]), at: parseLsn(match[2]!) }] : []
  })
}

/**
 * Is the stored LSN on the path that led to the server's timeline: on the same one, or on one that was left no earlier?
 */
export function isOnTimeline(
  stored: { readonly timeline: number; readonly lsn: Lsn },
  timeline: number,
  history: readonly TimelineSwitch[],
): boolean {
  if (stored.timeline === timeline) return true
  const left = history.find((s) => s.timeline === stored.timeline)
  return left !== undefined && stored.lsn <= left.at
}

export function sourceChanged(target: PostgresTarget, why: string): SluiceError {
  return new SluiceError('SOURCE_CHANGED', {
    what: `${target.name} (${target.display}) is not the database that the lane was read from`,
    why,
    ways: [
      `export SLUICE_${target.name.toUpperCase()}_URL='postgresql://user:password@host:5432/database'    if the URL is wrong`,
      'begin again with an empty pipeline database if the source was replaced: sluice provision, then sluice run reader',
    ],
  })
}
