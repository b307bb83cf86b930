/** `sluice status`, `sluice verify` and `sluice health` */
import type { Command } from 'commander'
import { DATA_EXITS, VERDICT_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'
import { wholeNumber } from './option-values.ts'
import { addProcessAddress } from './process-address.ts'

export function addLook(program: Command, leaf: AddLeaf): void {
  const status = program.command('status').description('Shows how far each stage is: lag in bytes, events and seconds.')
  addProcessAddress(status, { isRequired: false })
  leaf(status, { load: async () => (await import('../commands/status.ts')).status })
  addHelp(status, { examples: ['sluice status', 'sluice status --health-port 9090 --json'], exits: DATA_EXITS })

  const verify = program
    .command('verify')
    .description('Compares every row of every service table with the monolith at one LSN, and recomputes the hash chain.')
    .option('--service <name>', 'one service only')
    .option('--counts', 'count rows, events and messages in every store; reads the topics whole', false)
    .option('--report <file>', 'write migration_report.json there, whatever the verdict')
    .option('--timeout <seconds>', 'longest wait for open transactions, and for the stages to arrive', wholeNumber, 60)
  leaf(verify, { load: async () => (await import('../commands/verify.ts')).verify })
  addHelp(verify, {
    examples: ['sluice verify', 'sluice verify --service analytics --json', 'sluice verify --counts'],
    exits: VERDICT_EXITS,
  })
}

export function addHealth(program: Command, leaf: AddLeaf): void {
  const health = addProcessAddress(
    program.command('health').description('Asks a running process whether it is ready; for probes without curl.'),
    { isRequired: true },
  ).option('--live', 'ask /livez instead of /readyz', false)
  leaf(health, { load: async () => (await import('../commands/health.ts')).health })
  addHelp(health, { examples: ['sluice health --health-port 9090'], exits: VERDICT_EXITS })
}
