/** People of the private shop whose every private value is a planted one. */
import type pg from 'pg'

/** Text that a TOAST value is made of: longer than a page keeps in line. */
const LONG = ' and so on'.repeat(400)

export interface Person {
  readonly code: string
  readonly account: number
  readonly name: string
  readonly bio: string
  readonly card: string
  readonly email: string
  readonly iban: string
  readonly city: string
}

export function person(tag: string, account: number, city = `CLEAR-city-${tag}`): Person {
  const planted = (what: string): string => `PLANTED-${what}-${tag}`
  return {
    code: planted('code'),
    account,
    name: planted('name'),
    bio: planted('bio'),
    card: `${planted('card')}-1234`,
    email: planted('email'),
    iban: planted('iban'),
    city,
  }
}

/** The values that nothing behind the reader may hold. */
export function secretsOf({ code, name, bio, card, email, iban }: Person): readonly string[] {
  return [code, name, bio, card, email, iban]
}

export async function insertPerson(monolith: pg.Client, p: Person): Promise<void> {
  await monolith.query(
    `INSERT INTO people (code, account, full_name, born, salary, bio, card, email, iban, city)
     VALUES ($1, $2, $3, '1911-03-17', 98765.43, $4, $5, $6, $7, $8)`,
    [p.code, p.account, p.name, p.bio + LONG, p.card, p.email, p.iban, p.city],
  )
}

/** And a visit of theirs. */
export async function insertWithVisit(monolith: pg.Client, p: Person): Promise<void> {
  await insertPerson(monolith, p)
  await monolith.query(`INSERT INTO visits VALUES ($1, $2, $1, 'PLANTED-remark')`, [p.account, p.code])
}
