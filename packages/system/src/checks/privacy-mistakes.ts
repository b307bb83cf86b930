/** Checks privacy rules and grants: what a key may become, who a subject is, and that an erasure finds every clear value. */
import { type CapturedTable, qualifiedName } from '../captured-table.ts'
import { grantedColumns, holderOf } from '../clear-columns.ts'
import type { DecryptGrant } from '../decrypt-grant.ts'
import type { EncryptRule, MaskRule, PrivacyRule } from '../privacy.ts'
import type { EventHandler, Projection } from '../projection.ts'
import { columnsOf } from '../sql-expression.ts'
import type { SystemDefinition } from '../system-definition.ts'
import { type Mistake, repeated } from './mistake.ts'

/** Part of the text that a subject's id is made of, and an argument of `sluice erase`. */
const SUBJECT_KIND = /^[a-z][a-z0-9_]*$/
/** PostgreSQL's text has no NUL. */
const NUL = '\0'

export function privacyMistakes(tables: readonly CapturedTable[]): readonly Mistake[] {
  return [
    ...tables.flatMap((table, index) =>
      Object.entries(table.privacy).flatMap(([column, rule]) =>
        ruleMistakes(table, column, rule, `monolith.tables[${index}].privacy.${column}`),
      ),
    ),
    ...subjectFormMistakes(tables),
  ]
}

function ruleMistakes(table: CapturedTable, column: string, rule: PrivacyRule, place: string): readonly Mistake[] {
  if (!Object.hasOwn(table.sourceColumns, column)) {
    return [{ place, problem: `${qualifiedName(table)} has no column "${column}"` }]
  }
  const mistakes: Mistake[] = []
  if (table.key.includes(column) && rule.kind !== 'hash') {
    mistakes.push({ place, problem: `"${column}" is of the primary key, which may be hashed, not ${PARTICIPLES[rule.kind]}` })
  }
  if (rule.kind === 'mask') mistakes.push(...maskMistakes(rule, place))
  if (rule.kind === 'encrypt') mistakes.push(...encryptMistakes(table, column, rule, place))
  return mistakes
}

const PARTICIPLES = { drop: 'dropped', mask: 'masked', hash: 'hashed', encrypt: 'encrypted' } as const

function maskMistakes({ placeholder, keepLast }: MaskRule, place: string): readonly Mistake[] {
  return [
    ...(placeholder === '' || placeholder.includes(NUL)
      ? [{ place, problem: 'the placeholder must be a text of one character or more, without NUL' }]
      : []),
    ...(Number.isSafeInteger(keepLast) && keepLast >= 0
      ? []
      : [{ place, problem: `keepLast is ${keepLast}, it must be a whole number from 0 on` }]),
  ]
}

function encryptMistakes(table: CapturedTable, column: string, rule: EncryptRule, place: string): readonly Mistake[] {
  const { subject, subjectKind } = rule
  const mistakes: Mistake[] = []
  const add = (problem: string): void => void mistakes.push({ place, problem })
  const type = table.sourceColumns[subject]
  const ruleOfSubject = table.privacy[subject]
  if (type === undefined) add(`the subject column "${subject}" is not among the columns of ${qualifiedName(table)}`)
  else if (subject === column) add('a column can not be its own subject: its value would be needed to find its key')
  else {
    if (type.isNullable) add(`the subject column "${subject}" is nullable: a row without a subject has no key`)
    if (ruleOfSubject !== undefined && ruleOfSubject.kind !== 'hash') {
      add(`the subject column "${subject}" may be hashed, not ${PARTICIPLES[ruleOfSubject.kind]}`)
    }
  }
  if (!SUBJECT_KIND.test(subjectKind)) {
    add(`the kind "${subjectKind}" must be lower case letters, digits and underscores, and begin with a letter`)
  }
  return mistakes
}

/** A subject's id is made from the captured form, so that one person has one key only if every table has them in one form. */
function subjectFormMistakes(tables: readonly CapturedTable[]): readonly Mistake[] {
  const forms = new Map<string, { readonly isHashed: boolean; readonly place: string }>()
  return tables.flatMap((table, index) =>
    Object.entries(table.privacy).flatMap(([column, rule]): Mistake[] => {
      if (rule.kind !== 'encrypt') return []
      const place = `monolith.tables[${index}].privacy.${column}`
      const isHashed = table.privacy[rule.subject]?.kind === 'hash'
      const first = forms.get(rule.subjectKind)
      if (first === undefined) forms.set(rule.subjectKind, { isHashed, place })
      if (first === undefined || first.isHashed === isHashed) return []
      const [here, there] = isHashed ? ['hashed', 'clear'] : ['clear', 'hashed']
      return [{ place, problem: `subjects of kind "${rule.subjectKind}" are ${here} here and ${there} in ${first.place}` }]
    }),
  )
}

export function grantMistakes(system: SystemDefinition, serviceName: string): readonly Mistake[] {
  const service = system.services[serviceName]
  if (!service) return []
  const place = `services.${serviceName}`
  const grants = service.decrypt ?? []
  const columns = grants.flatMap((grant, index) =>
    Object.keys(grant.columns).map((column) => ({ name: `${qualifiedName(grant.table)}.${column}`, index, column })),
  )
  return [
    ...grants.flatMap((grant, index) => oneGrant(system, grant, `${place}.decrypt[${index}]`)),
    ...repeated(columns, ({ name }) => name).map(({ item }) => ({
      place: `${place}.decrypt[${item.index}].columns.${item.column}`,
      problem: `${item.name} is granted twice`,
    })),
    ...service.projections.flatMap((projection, index) =>
      usesOf(projection, (table) => [...grantedColumns(service, table).keys()], `${place}.projections[${index}]`),
    ),
  ]
}

function oneGrant(system: SystemDefinition, grant: DecryptGrant, place: string): readonly Mistake[] {
  const { table, columns } = grant
  const name = qualifiedName(table)
  // By identity: a second definition of the same table could have other rules.
  if (!system.monolith.tables.includes(table))
    return [{ place: `${place}.table`, problem: `${name} is not one of monolith.tables` }]
  return Object.entries(columns).flatMap(([column, placeholder]) => [
    ...(table.privacy[column]?.kind === 'encrypt'
      ? []
      : [{ place: `${place}.columns.${column}`, problem: `${name}.${column} is not encrypted, so there is nothing to grant` }]),
    ...(placeholder?.includes(NUL) === true
      ? [{ place: `${place}.columns.${column}`, problem: 'the placeholder holds NUL, which PostgreSQL has not' }]
      : []),
  ])
}

/** A clear value must be found again when its subject is erased, so it may be held as it is only, in a row that names the subject. */
function usesOf(
  projection: Projection,
  grantedOf: (table: CapturedTable) => readonly string[],
  place: string,
): readonly Mistake[] {
  if (projection.kind === 'handler') return heldMistakes(projection, grantedOf, place)
  const { source, columns, filter } = projection
  return grantedOf(source).flatMap((name): Mistake[] => {
    const rule = source.privacy[name]
    if (rule?.kind !== 'encrypt') return []
    const mistakes: Mistake[] = []
    for (const [target, from] of Object.entries(columns)) {
      if (from.kind === 'expression' && columnsOf(from).includes(name)) {
        mistakes.push({
          place: `${place}.columns.${target}`,
          problem: `"${name}" is granted: it can be held as it is only, since an erasure overwrites it`,
        })
      }
    }
    if (filter && columnsOf(filter).includes(name)) {
      mistakes.push({ place: `${place}.filter`, problem: `"${name}" is granted: a filter would tell it after its erasure` })
    }
    if (holderOf(projection, name) !== null && holderOf(projection, rule.subject) === null) {
      mistakes.push({
        place: `${place}.columns`,
        problem: `the subject column "${rule.subject}" is not held by a plain reference, by which an erasure finds the rows`,
      })
    }
    return mistakes
  })
}

function heldMistakes(
  { tables, holds }: EventHandler,
  grantedOf: (table: CapturedTable) => readonly string[],
  place: string,
): readonly Mistake[] {
  if (holds === null) {
    return tables
      .filter((table) => grantedOf(table).length > 0)
      .map((table) => ({
        place: `${place}.holds`,
        problem: `${qualifiedName(table)} has granted columns: say where the handler keeps them, since an erasure overwrites them there; [] if nowhere`,
      }))
  }
  return holds.flatMap(({ table, column }, index) =>
    tables.includes(table) && grantedOf(table).includes(column)
      ? []
      : [
          {
            place: `${place}.holds[${index}]`,
            problem: `${qualifiedName(table)}.${column} is no granted column of the handler's tables`,
          },
        ],
  )
}
