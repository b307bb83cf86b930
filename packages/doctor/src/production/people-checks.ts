/** What the documents' checklists ask for and no program can answer: a line each, so that nobody takes it for done. */
import type { HealthCheck } from '@sluice/core'
import { skipped } from '../finding.ts'

const FOR_PEOPLE = [
  ['rehearsal', 'the migration was gone through on a copy of production, with its numbers of rows'],
  ['review', 'migrations and mappings were read by somebody else, and the window is agreed'],
  ['restore', 'a backup of each database was restored somewhere, and the time that it takes is known (sluice restore)'],
  ['keys', 'SLUICE_MASTER_KEY and SLUICE_BACKUP_KEY are kept apart from the databases and their backups, by two people'],
  ['way_back', 'the way back is written down, with who decides it and by which figures (the system’s runbook)'],
  ['alerts', 'somebody is woken by the alerts: slot, lag, parked events, disk, overdue backups'],
  ['figures', 'response times and error rates of before are written down, to compare with'],
  ['applications', 'the applications of the services were tried with their new URLs (sluice env)'],
  ['drift', 'structure and migrations were compared by the owner of the tables (sluice migrate drift)'],
  ['team', 'those on duty have read the runbook'],
] as const

export function peopleChecks(): readonly HealthCheck[] {
  return FOR_PEOPLE.map(([name, summary]) => skipped(`people.${name}`, `for people: ${summary}`))
}
