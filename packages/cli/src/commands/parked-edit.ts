/** `sluice parked edit`: what a service is to take in the place of a value that it refuses. */
import { createEventDecoder } from '@sluice/avro'
import { type RowText, SluiceError } from '@sluice/core'
import { type EditedColumn, editParked, listParkedEnds } from '@sluice/projector'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { readDeployment, requireService } from '../deployment.ts'
import { operatorName } from '../operator-name.ts'
import { registryOf } from '../servers.ts'
import { type Column, renderTable } from '../table.ts'
import { notParked } from './parked-ends.ts'

const EditOptions = z.object({
  relay: z.boolean(),
  set: z.array(z.string()).default([]),
  setJson: z.string().optional(),
  null: z.array(z.string()).default([]),
  reason: z.string().optional(),
  dryRun: z.boolean(),
})

export const parkedEdit: CommandImplementation = async (context, input) => {
  const options = EditOptions.parse(input.options)
  const [name = '', eventId = ''] = input.args
  if (options.relay) throw notAtRelay(name)
  if (!z.uuid().safeParse(eventId).success) {
    throw usage('an event is named by its id', `"${eventId}" is not one`, `sluice parked list ${name}    shows the ids`)
  }
  const values = valuesOf(options)
  if (Object.keys(values).length === 0) {
    throw usage(
      'what is to be changed?',
      'no column was named',
      `sluice parked edit ${name} ${eventId} --set 'column=value' --dry-run`,
    )
  }
  if (options.reason === undefined && !options.dryRun) {
    throw usage('an edit is kept with its reason', 'none was given', `sluice parked edit ${name} ${eventId} … --reason '<why>'`)
  }
  const system = await context.system()
  const service = requireService(system, name)
  const { services, registry } = readDeployment(context.environment, system, { services: [service], registry: true })
  const target = services[service]!
  const edited = await editParked(
    { system, service, target, decoder: createEventDecoder(registryOf(registry), system) },
    { eventId, values, requestedBy: operatorName(), reason: options.reason ?? '', isDryRun: options.dryRun },
  )
  if (!edited) {
    const [end] = await listParkedEnds(target, { eventId, limit: 1 })
    throw notParked(`in ${service}`, eventId, end, `sluice parked list ${service}`)
  }
  const columns = edited.map(({ column }) => column)
  if (!options.dryRun) {
    return {
      summary: `event ${eventId} takes effect in ${service} with ${columns.join(', ')} changed, once it is tried again; its row then differs from its source, and sluice verify names it`,
      result: { service, eventId, columns },
      text: '',
      nextSteps: [`sluice parked retry ${service} ${eventId}`],
    }
  }
  return {
    summary: 'nothing was changed',
    result: { service, eventId, dryRun: true, columns: edited },
    text: renderTable(
      COLUMNS,
      edited.map((e) => [e.column, shown(e), e.to ?? 'NULL']),
    ),
  }
}

const COLUMNS: readonly Column[] = [{ title: 'column' }, { title: 'as it came' }, { title: 'as it would be taken' }]

function shown(edited: EditedColumn): string {
  return edited.from === undefined ? '(not in the message)' : (edited.from ?? 'NULL')
}

/** Texts of PostgreSQL by column; a column may be named once. */
function valuesOf({ set, setJson, null: nulls }: z.output<typeof EditOptions>): RowText {
  const named: (readonly [string, string | null])[] = [
    ...set.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw usage('--set takes a column and its value', `"${text}" is not of that form`, "--set 'column=value'")
      return [text.slice(0, at), text.slice(at + 1)] as const
    }),
    ...(setJson === undefined ? [] : jsonValues(setJson)),
    ...nulls.map((column) => [column, null] as const),
  ]
  const twice = named.find(([column], i) => named.findIndex(([other]) => other === column) !== i)
  if (twice) throw usage('a column takes one value', `"${twice[0]}" was named twice`, "--set 'column=value'")
  return Object.fromEntries(named)
}

/** A text as it is, any other value as its JSON. */
function jsonValues(text: string): readonly (readonly [string, string | null])[] {
  const way = `--set-json '{"column": "value", "other": null}'`
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw usage('--set-json takes a JSON object', 'it can not be parsed', way)
  }
  const object = z.record(z.string(), z.unknown()).safeParse(parsed)
  if (!object.success) throw usage('--set-json takes a JSON object', 'it is another value', way)
  return Object.entries(object.data).map(([column, value]) => [
    column,
    value === null || typeof value === 'string' ? value : JSON.stringify(value),
  ])
}

/** The relay publishes what is stored, and what is stored is never changed. */
function notAtRelay(lane: string): SluiceError {
  return usage(
    'an event that is parked at a relay is not edited',
    'it would be another event than the one that is stored, whose hash chain and order others rely on',
    `correct the row in the source, in a transaction that names the event as its cause, then: sluice parked skip ${lane} <event-id> --relay --reason '<why>'`,
  )
}

function usage(what: string, why: string, way: string): SluiceError {
  return new SluiceError('USAGE', { what, why, ways: [way] })
}
