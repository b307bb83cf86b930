/** Whether each database has a backup that is whole and young enough, by the plan that makes them. */
import { type SchedulePlan, type PlannedRun, backupStates, databasesOf } from '@sluice/backup'
import type { HealthCheck } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import { failed, ok, warning } from '../finding.ts'

const HOUR_MS = 60 * 60 * 1000

export async function checkBackups(
  plan: SchedulePlan | null,
  system: SystemDefinition,
  now: Date,
): Promise<readonly HealthCheck[]> {
  if (plan === null) {
    return [
      failed('backups.plan', {
        summary: 'no plan says when databases are backed up',
        fix: [
          'export SLUICE_BACKUP_PLAN=/etc/sluice/backup-plan.json',
          'docs/operations.md, "Scheduled backups", has one to begin with',
        ],
      }),
    ]
  }
  const all = ['monolith', 'pipeline', ...Object.keys(system.services)]
  const planned = databasesOf(plan, all)
  const states = await backupStates({ system: system.name, plan, now }, all)
  const clear = plan.schedules.filter(({ encrypted }) => !encrypted).map(({ name }) => name)
  return [
    ...all
      .filter((database) => !planned.includes(database))
      .map((database) =>
        failed(`backups.${database}`, {
          summary: 'no schedule backs it up',
          fix: [`add "${database}" to a schedule of the plan`],
        }),
      ),
    ...states.map((state) => stateCheck(state, now)),
    clear.length === 0
      ? ok('backups.encryption', 'every schedule encrypts')
      : warning('backups.encryption', {
          summary: `backups of ${clear.join(', ')} are in the clear`,
          fix: ['"encrypted": true in the plan, with SLUICE_BACKUP_KEY'],
        }),
  ]
}

function stateCheck(state: PlannedRun, now: Date): HealthCheck {
  const name = `backups.${state.database}.${state.schedule}`
  if (state.damaged.length > 0) {
    return failed(name, {
      summary: `${state.damaged.length} are damaged: ${state.damaged.join(', ')}`,
      fix: ['sluice backup due    names what is wrong with each'],
      code: 'SLU-7106',
    })
  }
  const age = state.newest === null ? null : Math.floor((now.getTime() - state.newest.startedAt.getTime()) / HOUR_MS)
  if (state.isOverdue) {
    return failed(name, {
      summary:
        age === null
          ? 'there is no backup that was verified'
          : `the newest verified backup is ${age} hours old, and was due again at ${state.dueAt.toISOString()}`,
      fix: ['sluice backup due', 'a scheduler that calls it: docs/operations.md, "Scheduled backups"'],
      code: 'SLU-7112',
    })
  }
  return ok(name, `the newest verified backup is ${age} hours old, ${state.whole} are kept`)
}
