/** Checks the captured tables: names, keys, columns, aggregates. */
import { type CapturedTable, qualifiedName } from '../captured-table.ts'
import type { ColumnType } from '../column-type.ts'
import { type Mistake, identifierMistakes, repeated } from './mistake.ts'

/** Aggregate and event type names become names in Avro. https://avro.apache.org/docs/1.12.0/specification/#names */
const AVRO_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
/** Largest precision that PostgreSQL lets a numeric declare. */
const NUMERIC_PRECISION_MAX = 1000

export function tableMistakes(tables: readonly CapturedTable[]): readonly Mistake[] {
  return [
    ...(tables.length === 0 ? [{ place: 'monolith.tables', problem: 'no table is captured' }] : []),
    ...tables.flatMap((table, index) => oneTable(table, `monolith.tables[${index}]`)),
    ...repeated(tables, qualifiedName).map(({ item, index, first }) => ({
      place: `monolith.tables[${index}]`,
      problem: `${qualifiedName(item)} is captured already by monolith.tables[${first}]`,
    })),
    ...repeated(tables, (t) => t.aggregateType).map(({ item, index, first }) => ({
      place: `monolith.tables[${index}].aggregate`,
      problem: `"${item.aggregateType}" is the aggregate of monolith.tables[${first}] already`,
    })),
  ]
}

function oneTable(table: CapturedTable, place: string): readonly Mistake[] {
  return [
    ...identifierMistakes(`${place}.schema`, table.schema),
    ...identifierMistakes(`${place}.name`, table.name),
    ...avroNameMistakes(`${place}.aggregate`, table.aggregateType),
    ...Object.entries(table.eventTypes).flatMap(([event, name]: [string, string]) =>
      avroNameMistakes(`${place}.eventTypes.${event}`, name),
    ),
    ...keyMistakes(table, `${place}.key`),
    ...(table.columnNames.length === 0 ? [{ place: `${place}.columns`, problem: 'no column is captured' }] : []),
    ...Object.entries(table.columns).flatMap(([name, type]) => columnMistakes(`${place}.columns.${name}`, name, type)),
  ]
}

function avroNameMistakes(place: string, name: string): readonly Mistake[] {
  return AVRO_NAME.test(name)
    ? []
    : [{ place, problem: `"${name}" must be letters, digits and underscores, and not begin with a digit` }]
}

function keyMistakes(table: CapturedTable, place: string): readonly Mistake[] {
  if (table.key.length === 0) return [{ place, problem: 'the primary key has no column' }]
  return [
    ...repeated(table.key, (c) => c).map(({ item, index }) => ({
      place: `${place}[${index}]`,
      problem: `"${item}" is named twice`,
    })),
    ...table.key.flatMap((column, index) => {
      const type = table.columns[column]
      if (type === undefined) return [{ place: `${place}[${index}]`, problem: `"${column}" is not among the table's columns` }]
      return type.isNullable ? [{ place: `${place}[${index}]`, problem: `"${column}" is nullable, a key is not` }] : []
    }),
  ]
}

function columnMistakes(place: string, name: string, type: ColumnType): readonly Mistake[] {
  return [...identifierMistakes(place, name), ...decimalMistakes(place, type), ...labelMistakes(place, type)]
}

function decimalMistakes(place: string, { avro }: ColumnType): readonly Mistake[] {
  if (avro.form !== 'decimal') return []
  const { precision, scale } = avro
  if (!Number.isInteger(precision) || precision < 1 || precision > NUMERIC_PRECISION_MAX) {
    return [{ place, problem: `the precision is ${precision}, it must be 1 to ${NUMERIC_PRECISION_MAX}` }]
  }
  if (!Number.isInteger(scale) || scale < 0 || scale > precision) {
    return [
      {
        place,
        problem: `the scale is ${scale}, Avro's decimal takes 0 to the precision (${precision}): use other('numeric(…)')`,
      },
    ]
  }
  return []
}

function labelMistakes(place: string, { labels }: ColumnType): readonly Mistake[] {
  if (labels === undefined) return []
  if (labels.length === 0) return [{ place, problem: 'the enum has no labels' }]
  return repeated(labels, (l) => l).map(({ item }) => ({ place, problem: `the label "${item}" is named twice` }))
}
