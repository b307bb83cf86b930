/**
 * Random changes of tables and of their rows, from a seed: every statement is drawn from what the tables look like at its place, so
 * that none fails, and the same seed gives the same statements.
 *
 *   typed    every type of the value matrix; a captured column goes and comes back
 *   labels   a key that moves, an enum that grows, a large value; renamed and retyped columns; dropped and made anew
 *   places   partitions that are made, attached and detached; rows that move between them
 *
 * What each change left is written down beside it, by triggers: text by text, under the names that the columns have then.
 */
import { type CapturedTable, type TopicDefinition, integer, other, table, text } from '@sluice/system'
import pg from 'pg'
import { LATER_LABEL_DDL, TYPES, VALUES, VALUE_COLUMNS, VALUE_TYPES_DDL, columnOf } from './value-matrix.ts'

const LABEL_COLUMNS = 'code text PRIMARY KEY, rank integer, mood public.mood, note text'

function labelsDdl(): string {
  return `CREATE TABLE labels (${LABEL_COLUMNS}); ALTER TABLE labels ALTER note SET STORAGE EXTERNAL; ${auditDdl('labels')}`
}

function auditDdl(name: string): string {
  return `
    CREATE TRIGGER note_row AFTER INSERT OR UPDATE OR DELETE ON ${name} FOR EACH ROW EXECUTE FUNCTION note_change('${name}');
    CREATE TRIGGER note_truncate AFTER TRUNCATE ON ${name} FOR EACH STATEMENT EXECUTE FUNCTION note_change('${name}')`
}

export const RANDOM_DDL = `${VALUE_TYPES_DDL}
  ${LATER_LABEL_DDL};
  CREATE TABLE audit (n bigserial PRIMARY KEY, op text NOT NULL, name text NOT NULL, older jsonb, newer jsonb);
  CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$ BEGIN
    INSERT INTO public.audit (op, name, older, newer) VALUES (
      CASE TG_OP WHEN 'INSERT' THEN 'c' ELSE lower(left(TG_OP, 1)) END, TG_ARGV[0],
      CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN public.hstore_to_jsonb(public.hstore(OLD)) END,
      CASE WHEN TG_OP IN ('INSERT', 'UPDATE') THEN public.hstore_to_jsonb(public.hstore(NEW)) END);
    RETURN NULL;
  END $$;
  CREATE TABLE typed (id integer PRIMARY KEY, bio text, ${VALUE_COLUMNS});
  ALTER TABLE typed ALTER bio SET STORAGE EXTERNAL;
  ${auditDdl('typed')};
  ${labelsDdl()};
  CREATE TABLE places (region text NOT NULL, id integer NOT NULL, note text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
  ALTER TABLE places ALTER note SET STORAGE EXTERNAL;
  CREATE TABLE places_1 PARTITION OF places FOR VALUES IN ('r1');
  ${auditDdl('places')}`

/** The tables as a definition has them. */
export function randomTables(
  topics: Readonly<Record<'typed' | 'labels' | 'places', TopicDefinition>>,
): Readonly<Record<'typed' | 'labels' | 'places', CapturedTable>> {
  const matrix = TYPES.map((type, i) => [columnOf(i), other(type).nullable()] as const)
  return {
    typed: table('typed', {
      columns: { id: integer(), bio: text().nullable(), ...Object.fromEntries(matrix) },
      key: ['id'],
      aggregate: 'Typed',
      topic: topics.typed,
    }),
    labels: table('labels', {
      columns: {
        code: text(),
        rank: integer().nullable(),
        mood: other('public.mood').nullable(),
        note: text().nullable(),
      },
      key: ['code'],
      aggregate: 'Label',
      topic: topics.labels,
    }),
    places: table('places', {
      columns: { region: text(), id: integer(), note: text().nullable() },
      key: ['region', 'id'],
      aggregate: 'Place',
      topic: topics.places,
    }),
  }
}

/** What the tables look like at one place of the statements. */
interface Shape {
  /** Columns that no definition knows, by table. */
  readonly extras: Readonly<Record<'typed' | 'labels' | 'places', readonly string[]>>
  /** The name of `labels.note` now; null while it is dropped. */
  readonly note: 'note' | 'memo' | null
  readonly isRankWide: boolean
  /** The column of `typed` that is dropped now. */
  readonly missing: string | null
  /** Numbers of the partitions of `places`. */
  readonly partitions: readonly number[]
}

export interface RandomSourceOptions {
  readonly random: (below: number) => number
  readonly publicationName: string
  /** False: every change of a table leaves it as the definition has it. */
  readonly breaksDefinition: boolean
}

export class RandomSource {
  readonly #random: (below: number) => number
  readonly #options: RandomSourceOptions
  #shape: Shape = {
    extras: { typed: [], labels: [], places: [] },
    note: 'note',
    isRankWide: false,
    missing: null,
    partitions: [1],
  }
  #moods = ['happy', 'sad', 'über so']
  /** Names are never used twice, whatever is rolled back. */
  #made = 1

  constructor(options: RandomSourceOptions) {
    this.#options = options
    this.#random = options.random
  }

  /** Statements of rows alone, one transaction. */
  rows(): readonly string[] {
    return ['BEGIN', ...Array.from({ length: 1 + this.#random(8) }, () => this.#change()), 'COMMIT']
  }

  /** Statements to be run one after another: a transaction, or one that PostgreSQL wants to stand alone. */
  next(): readonly string[] {
    if (this.#random(12) === 0) {
      const mood = `m${(this.#made += 1)}`
      this.#moods.push(mood)
      return [`ALTER TYPE mood ADD VALUE '${mood}'${this.#random(2) === 0 ? ` BEFORE 'sad'` : ''}`]
    }
    const before = this.#shape
    const savepoints: Shape[] = []
    const statements: string[] = []
    for (let left = 1 + this.#random(10); left > 0; left -= 1) {
      const kind = this.#random(12)
      if (kind === 0) {
        savepoints.push(this.#shape)
        statements.push(`SAVEPOINT s${savepoints.length}`)
      } else if (kind === 1 && savepoints.length > 0) {
        const depth = 1 + this.#random(savepoints.length)
        this.#shape = savepoints[depth - 1]!
        savepoints.length = depth
        statements.push(`ROLLBACK TO s${depth}`)
      } else if (kind === 2 && savepoints.length > 0) {
        statements.push(`RELEASE s${savepoints.length}`)
        savepoints.pop()
      } else if (kind === 3) {
        statements.push(`SELECT pg_logical_emit_message(${this.#random(2) === 0}, 'another', 'x')`)
      } else {
        statements.push(kind < 6 ? this.#alteration() : this.#change())
      }
    }
    const isKept = this.#random(7) > 0
    if (!isKept) this.#shape = before
    return ['BEGIN', ...statements, isKept ? 'COMMIT' : 'ROLLBACK']
  }

  /** The tables as the definition has them again, and every row told whole: what was rewritten in place told no row. */
  heal(): readonly string[] {
    const { note, isRankWide, missing } = this.#shape
    const statements: string[] = []
    if (note === null) statements.push(...this.#noteComesBack())
    else if (note === 'memo') statements.push('ALTER TABLE labels RENAME memo TO note')
    if (isRankWide) statements.push('ALTER TABLE labels ALTER rank TYPE integer')
    if (missing !== null) statements.push(this.#comesBack(missing))
    this.#shape = { ...this.#shape, note: 'note', isRankWide: false, missing: null }
    for (const name of ['typed', 'labels', 'places', ...this.#shape.partitions.map((n) => `places_${n}`)]) {
      statements.push(`ALTER TABLE ${name} REPLICA IDENTITY FULL`)
    }
    return [...statements, 'UPDATE typed SET id = id', 'UPDATE labels SET code = code', 'UPDATE places SET id = id']
  }

  #change(): string {
    const kind = this.#random(10)
    if (kind < 4) return this.#changeTyped()
    return kind < 7 ? this.#changeLabels() : this.#changePlaces()
  }

  #changeTyped(): string {
    const [id, other] = [this.#random(12), this.#random(12)]
    const columns = [...new Set(Array.from({ length: 1 + this.#random(6) }, () => this.#random(TYPES.length)))].filter(
      (i) => columnOf(i) !== this.#shape.missing,
    )
    const values = columns.map((i) => this.#valueOf(TYPES[i]!))
    switch (this.#random(8)) {
      case 0:
        return `DELETE FROM typed WHERE id = ${id}`
      case 1:
        return `UPDATE typed SET id = ${other} WHERE id = ${id} AND NOT EXISTS (SELECT FROM typed WHERE id = ${other})`
      case 2:
        return `UPDATE typed SET bio = ${this.#large()} WHERE id > ${id}`
      case 3:
      case 4:
        return `INSERT INTO typed (${['id', 'bio', ...columns.map(columnOf)].join(', ')}) VALUES (${[id, this.#large(), ...values].join(', ')}) ON CONFLICT DO NOTHING`
      default:
        return `UPDATE typed SET ${['bio = bio', ...columns.map((c, i) => `${columnOf(c)} = ${values[i]!}`)].join(', ')} WHERE id ${this.#random(3) === 0 ? '>' : '='} ${id}`
    }
  }

  #valueOf(type: string): string {
    if (type === 'public.mood') return this.#mood()
    const values = VALUES[type]!
    return this.#random(6) === 0 ? 'NULL' : `(${values[this.#random(values.length)]!})::${type}`
  }

  #changeLabels(): string {
    const [code, other] = [`'k${this.#random(12)}'`, `'k${this.#random(12)}'`]
    const { note } = this.#shape
    switch (this.#random(9)) {
      case 0:
        return `DELETE FROM labels WHERE code = ${code}`
      case 1:
      case 2:
        return `UPDATE labels SET code = ${other} WHERE code = ${code} AND NOT EXISTS (SELECT FROM labels WHERE code = ${other})`
      case 3:
        return this.#random(4) === 0 ? 'TRUNCATE labels' : `UPDATE labels SET mood = ${this.#mood()} WHERE code < ${code}`
      case 4:
        return note === null
          ? `DELETE FROM labels WHERE code = ${code}`
          : `UPDATE labels SET ${note} = ${this.#large()} WHERE code = ${code}`
      case 5:
      case 6:
        return `UPDATE labels SET rank = ${this.#random(99)} WHERE code ${this.#random(2) === 0 ? '>' : '='} ${code}`
      default: {
        const columns = ['code', 'rank', 'mood', ...(note === null ? [] : [note])]
        const values = [code, this.#random(99), this.#mood(), ...(note === null ? [] : [this.#large()])]
        return `INSERT INTO labels (${columns.join(', ')}) VALUES (${values.join(', ')}) ON CONFLICT DO NOTHING`
      }
    }
  }

  #changePlaces(): string {
    const [region, other] = [this.#region(), this.#region()]
    const id = this.#random(8)
    switch (this.#random(7)) {
      case 0:
        return `DELETE FROM places WHERE region = '${region}' AND id = ${id}`
      case 1:
        return `UPDATE places SET region = '${other}' WHERE region = '${region}' AND id = ${id} AND NOT EXISTS (SELECT FROM places WHERE region = '${other}' AND id = ${id})`
      case 2:
        return `UPDATE places SET note = ${this.#large()} WHERE id > ${id}`
      case 3:
        return `UPDATE places SET id = id + 100 WHERE region = '${region}' AND id = ${id} AND NOT EXISTS (SELECT FROM places p WHERE p.region = '${region}' AND p.id = ${id} + 100)`
      case 4:
        return this.#random(5) === 0 ? 'TRUNCATE places' : `UPDATE places SET id = id WHERE region = '${region}'`
      default:
        return `INSERT INTO places (region, id, note) VALUES ('${region}', ${id}, ${this.#large()}) ON CONFLICT DO NOTHING`
    }
  }

  #alteration(): string {
    const kind = this.#random(this.#options.breaksDefinition ? 9 : 5)
    if (kind === 0) return this.#identity()
    if (kind < 3) return this.#extra()
    if (kind === 3) return this.#partition()
    if (kind === 4) return this.#random(3) === 0 ? this.#recreate() : this.#retypeAlike()
    return this.#breakDefinition()
  }

  #identity(): string {
    const name = ['typed', 'labels', 'places', ...this.#shape.partitions.map((n) => `places_${n}`)][
      this.#random(3 + this.#shape.partitions.length)
    ]!
    const forms = ['DEFAULT', 'FULL', ...(name === 'typed' || name === 'labels' ? [`USING INDEX ${name}_pkey`] : [])]
    return `ALTER TABLE ${name} REPLICA IDENTITY ${forms[this.#random(forms.length)]!}`
  }

  #extra(): string {
    const name = (['typed', 'labels', 'places'] as const)[this.#random(3)]!
    const extras = this.#shape.extras[name]
    const [first] = extras
    const with_ = (changed: readonly string[]): void => {
      this.#shape = { ...this.#shape, extras: { ...this.#shape.extras, [name]: changed } }
    }
    if (first !== undefined && this.#random(2) === 0) {
      with_(extras.slice(1))
      return `ALTER TABLE ${name} DROP ${first}`
    }
    const column = `e${(this.#made += 1)}`
    with_([...extras, column])
    return `ALTER TABLE ${name} ADD ${column} ${['integer DEFAULT 7', 'text DEFAULT random()::text', 'numeric[]'][this.#random(3)]!}`
  }

  #partition(): string {
    const { partitions, extras } = this.#shape
    const number = (this.#made += 1)
    const name = `places_${number}`
    const isFull = partitions.length > 4
    if (isFull) {
      const gone = partitions[this.#random(partitions.length)]!
      this.#shape = { ...this.#shape, partitions: partitions.filter((n) => n !== gone) }
      return `DELETE FROM places WHERE region = 'r${gone}'; ALTER TABLE places DETACH PARTITION places_${gone}; DROP TABLE places_${gone}`
    }
    this.#shape = { ...this.#shape, partitions: [...partitions, number] }
    if (this.#random(2) === 0) return `CREATE TABLE ${name} PARTITION OF places FOR VALUES IN ('r${number}')`
    // Its columns lie in another order than the root's, and some of them have another type in another place.
    return `
      CREATE TABLE ${name} (note text, gone int, id integer NOT NULL, region text NOT NULL); ALTER TABLE ${name} DROP gone;
      ALTER TABLE ${name} ALTER note SET STORAGE EXTERNAL;
      DO $$ DECLARE line record; BEGIN
        FOR line IN SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
          WHERE attrelid = 'places'::regclass AND attname = ANY ('{${extras.places.join(',')}}') LOOP
          EXECUTE format('ALTER TABLE ${name} ADD %I %s', line.attname, line.type);
        END LOOP;
      END $$;
      ALTER TABLE places ATTACH PARTITION ${name} FOR VALUES IN ('r${number}')`
  }

  /** A table of the same name, which PostgreSQL takes for another: its rows must go first, since a DROP tells none. */
  #recreate(): string {
    this.#shape = { ...this.#shape, extras: { ...this.#shape.extras, labels: [] }, note: 'note', isRankWide: false }
    const { publicationName } = this.#options
    return `${this.#random(2) === 0 ? 'TRUNCATE' : 'DELETE FROM'} labels; DROP TABLE labels; ${labelsDdl()}; ALTER PUBLICATION ${publicationName} ADD TABLE labels`
  }

  /** To a type that is as good in text. */
  #retypeAlike(): string {
    const { note } = this.#shape
    if (note === null) return `ALTER TABLE labels ALTER code TYPE varchar(${100 + this.#random(100)})`
    return `ALTER TABLE labels ALTER ${this.#random(2) === 0 ? 'code' : note} TYPE ${this.#random(2) === 0 ? 'text' : 'varchar'}`
  }

  #breakDefinition(): string {
    const { note, isRankWide, missing } = this.#shape
    switch (this.#random(4)) {
      case 0:
        this.#shape = { ...this.#shape, isRankWide: !isRankWide }
        return `ALTER TABLE labels ALTER rank TYPE ${isRankWide ? 'integer' : 'bigint'}`
      case 1: {
        if (missing !== null) {
          this.#shape = { ...this.#shape, missing: null }
          return this.#comesBack(missing)
        }
        const column = columnOf(this.#random(TYPES.length))
        this.#shape = { ...this.#shape, missing: column }
        return `ALTER TABLE typed DROP ${column}`
      }
      default: {
        if (note === null) {
          this.#shape = { ...this.#shape, note: 'note' }
          return this.#noteComesBack().join('; ')
        }
        if (this.#random(3) === 0) {
          this.#shape = { ...this.#shape, note: null }
          return `ALTER TABLE labels DROP ${note}`
        }
        const next = note === 'note' ? 'memo' : 'note'
        this.#shape = { ...this.#shape, note: next }
        return `ALTER TABLE labels RENAME ${note} TO ${next}`
      }
    }
  }

  #noteComesBack(): readonly string[] {
    return ['ALTER TABLE labels ADD note text', 'ALTER TABLE labels ALTER note SET STORAGE EXTERNAL']
  }

  #comesBack(column: string): string {
    return `ALTER TABLE typed ADD ${column} ${TYPES[Number(column.slice(1))]!}`
  }

  #mood(): string {
    return this.#random(8) === 0 ? 'NULL' : `'${this.#moods[this.#random(this.#moods.length)]!}'`
  }

  #region(): string {
    const { partitions } = this.#shape
    return `r${partitions[this.#random(partitions.length)]!}`
  }

  /** Now and then too large to lie in the row. */
  #large(): string {
    return this.#random(8) === 0
      ? 'NULL'
      : `repeat(chr(${97 + this.#random(26)}), ${this.#random(3) === 0 ? this.#random(50) : 2500 + this.#random(3000)})`
  }
}

/** Rows of a table in a database as JSON texts, in the text that PostgreSQL sends; sorted. */
export async function textRows(client: pg.ClientBase, table: CapturedTable): Promise<readonly string[]> {
  await client.query(`SELECT set_config('search_path', '', false)`)
  const { rows } = await client.query<(string | null)[]>({
    text: `SELECT ${table.columnNames.map((name) => pg.escapeIdentifier(name)).join(', ')} FROM public.${table.name}`,
    rowMode: 'array',
    types: { getTypeParser: () => (value: string | Buffer) => String(value) },
  })
  return rows.map((row) => JSON.stringify(row)).sort()
}
