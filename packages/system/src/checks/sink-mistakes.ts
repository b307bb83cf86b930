/** Checks the sinks of a service: one store, one table a source, and nothing in them that an erasure could not reach. */
import { qualifiedName } from '../captured-table.ts'
import type { SinkTable } from '../sink-table.ts'
import type { ServiceDefinition, SystemDefinition } from '../system-definition.ts'
import { type Mistake, repeated } from './mistake.ts'

export function sinkMistakes(system: SystemDefinition, serviceName: string): readonly Mistake[] {
  const service = system.services[serviceName]
  const sinks = service?.sinks ?? []
  const [first] = sinks
  if (!service || !first) return []
  const place = `services.${serviceName}.sinks`
  return [
    ...(service.independent === true
      ? [{ place, problem: 'the members of an independent service do not share a sink: leave out independent' }]
      : []),
    ...repeated(sinks, (sink) => sink.name).map(({ item, index }) => ({
      place: `${place}[${index}].into`,
      problem: `"${item.name}" is filled by another one already`,
    })),
    // An event that one table refuses is parked, so that no other table may have it.
    ...repeated(sinks, (sink) => qualifiedName(sink.source)).map(({ item, index }) => ({
      place: `${place}[${index}]`,
      problem: `${qualifiedName(item.source)} fills another table of the service already`,
    })),
    ...sinks.flatMap((sink, i) => [
      ...(sink.store === first.store
        ? []
        : [{ place: `${place}[${i}]`, problem: `a service has one store: this is ${sink.store}, the first is ${first.store}` }]),
      ...tableMistakes(system, service, sink, `${place}[${i}]`),
    ]),
  ]
}

function tableMistakes(system: SystemDefinition, service: ServiceDefinition, sink: SinkTable, place: string): readonly Mistake[] {
  const { source, columns, history } = sink
  const name = qualifiedName(source)
  const granted = (service.decrypt ?? []).find((grant) => grant.table === source)?.columns ?? {}
  const read = Object.entries(columns).flatMap(([column, from]) =>
    from.kind === 'column' ? [{ at: `${place}.columns.${column}`, from: from.name }] : [],
  )
  return [
    ...(system.monolith.tables.includes(source) ? [] : [{ place, problem: `${name} is not one of monolith.tables` }]),
    ...(sink.name === '' ? [{ place: `${place}.into`, problem: 'a name is empty' }] : []),
    ...(Object.keys(columns).length === 0 ? [{ place: `${place}.columns`, problem: 'it has no column' }] : []),
    ...read
      .filter(({ from }) => !Object.hasOwn(source.columns, from))
      .map(({ at, from }) => ({ place: at, problem: `${name} has no captured column "${from}"` })),
    ...read
      .filter(({ from }) => Object.hasOwn(granted, from))
      .map(({ at, from }) => ({ place: at, problem: `"${from}" is granted in the clear, and an erasure does not reach a sink` })),
    ...(history ? historyMistakes(sink, history.column.name, history.days, `${place}.history`) : []),
  ]
}

function historyMistakes({ source }: SinkTable, column: string, days: number, place: string): readonly Mistake[] {
  const type = source.columns[column]?.sqlType
  return [
    ...(type === 'timestamptz' || type === 'timestamp with time zone'
      ? []
      : [{ place: `${place}.column`, problem: `"${column}" must be a timestamptz of ${qualifiedName(source)}` }]),
    ...(days > 0 ? [] : [{ place: `${place}.days`, problem: `days is ${days}, it must be more than 0` }]),
  ]
}
