/** Who opens which database of a test: each login by its name, with one password for all. */

export const SERVICES = ['orchestration', 'analysis', 'mapper'] as const
export type ServiceName = (typeof SERVICES)[number]
/** Kinds of logins that a service has. */
export type Login = 'app' | 'projector' | 'verifier'

export const PASSWORD = 'not-a-secret-of-anybody'

export interface Logins {
  /** Of reader and `verify`. Null: the superuser. */
  readonly monolith: string | null
  readonly pipeline: string | null
  /** Of `sluice provision`. Null: the superuser. */
  readonly owner: (service: ServiceName) => string | null
  readonly of: (service: ServiceName, login: Login) => string
  /** Statements that make those of a service, which its owner runs once it is provisioned. */
  readonly statements: (service: ServiceName) => string
}

/** As an administrator does it who is a superuser. */
export const TEST_LOGINS: Logins = {
  monolith: null,
  pipeline: null,
  owner: () => null,
  of: (service, login) => `${service}_${login}_login`,
  statements: (service) =>
    ['app', 'projector', 'verifier']
      .map((login) => `CREATE ROLE ${service}_${login}_login LOGIN PASSWORD '${PASSWORD}' IN ROLE ${service}_${login}`)
      .join(';'),
}

/** The same database as another login. */
export function urlAs(url: string, login: string | null): string {
  if (login === null) return url
  const other = new URL(url)
  other.username = login
  other.password = PASSWORD
  return other.toString()
}
