/** Every mistake in a definition that the compiler can not see, each with its place. */
import { lanesOf } from '../lane.ts'
import { qualifiedName } from '../captured-table.ts'
import { type OutboxDefinition, outboxTable } from '../outbox-definition.ts'
import type { SystemDefinition } from '../system-definition.ts'
import { connectionMistakes } from './connection-mistakes.ts'
import { IDENTIFIER_BYTES_MAX, type Mistake, identifierMistakes } from './mistake.ts'
import { grantMistakes, privacyMistakes } from './privacy-mistakes.ts'
import { projectionMistakes } from './projection-mistakes.ts'
import { serviceNeedMistakes } from './service-need-mistakes.ts'
import { sinkMistakes } from './sink-mistakes.ts'
import { tableMistakes } from './table-mistakes.ts'
import { topicMistakes } from './topic-mistakes.ts'

/** Part of slot, publication, topic and group names, and of the names of environment variables. */
const PLAIN_NAME = /^[a-z][a-z0-9_]*$/
/** `SLUICE_<SERVICE>_URL` of these is another database's variable. */
const TAKEN_SERVICE_NAMES = /^(monolith|pipeline|test_.*)$/

export function systemMistakes(system: SystemDefinition): readonly Mistake[] {
  const services = Object.keys(system.services)
  return [
    ...plainNameMistakes('name', system.name),
    ...lanesOf(system).flatMap(({ name, slotName }) =>
      slotName.length > IDENTIFIER_BYTES_MAX
        ? [
            {
              place: 'name',
              problem: `the slot of lane ${name} would be "${slotName}", ${slotName.length} bytes; PostgreSQL keeps 63`,
            },
          ]
        : [],
    ),
    ...tableMistakes(system.monolith.tables),
    ...privacyMistakes(system.monolith.tables),
    ...outboxMistakes(system, system.monolith.outbox, 'monolith.outbox'),
    ...(services.length === 0 ? [{ place: 'services', problem: 'the system has no service' }] : []),
    ...services.flatMap((name) => [
      ...plainNameMistakes(`services.${name}`, name),
      ...(TAKEN_SERVICE_NAMES.test(name)
        ? [
            {
              place: `services.${name}`,
              problem: `"${name}" can not be a service's name: SLUICE_${name.toUpperCase()}_URL is another database`,
            },
          ]
        : []),
      ...outboxMistakes(system, system.services[name]?.outbox, `services.${name}.outbox`),
      ...projectionMistakes(system, name),
      ...grantMistakes(system, name),
      ...serviceNeedMistakes(system, name),
      ...sinkMistakes(system, name),
    ]),
    ...topicMistakes(system),
    ...connectionMistakes(system),
  ]
}

function plainNameMistakes(place: string, name: string): readonly Mistake[] {
  if (PLAIN_NAME.test(name)) return []
  return [{ place, problem: `"${name}" must be lower case letters, digits and underscores, and begin with a letter` }]
}

function outboxMistakes(system: SystemDefinition, outbox: OutboxDefinition | undefined, place: string): readonly Mistake[] {
  if (!outbox) return []
  const table = outboxTable(outbox)
  const isCaptured = place === 'monolith.outbox' && system.monolith.tables.some((t) => qualifiedName(t) === qualifiedName(table))
  return [
    ...identifierMistakes(`${place}.schema`, table.schema),
    ...identifierMistakes(`${place}.table`, table.name),
    ...(isCaptured ? [{ place, problem: `${qualifiedName(table)} is a captured table too: its rows are events already` }] : []),
  ]
}
