/** Where a ClickHouse is. The password is in `password` and nowhere else, so that the rest may be shown. */
import { SluiceError } from '@sluice/core'

export interface ClickhouseTarget {
  /** `https://host:8443` */
  readonly url: string
  readonly database: string
  readonly username: string
  readonly password: string
  /** Certificate authority, PEM. Null: those that Node trusts. */
  readonly ca: string | null
  /** `clickhouse at https://host:8443/analytics` */
  readonly display: string
}

/**
 * Reads `http[s]://user:password@host:port/database`; without a database it is `default`.
 *
 * @param variable Name of the environment's variable, for messages.
 * @throws SluiceError SLU-1003
 */
export function clickhouseTarget(variable: string, text: string, ca: string | null = null): ClickhouseTarget {
  const url = URL.canParse(text) ? new URL(text) : null
  const database = decodeURIComponent(url?.pathname.slice(1) ?? '')
  if (!url || !/^https?:$/.test(url.protocol) || database.includes('/')) {
    throw new SluiceError('CONFIG_INVALID', {
      what: `${variable} can not be used`,
      why: 'it must be an http or https URL with at most a database as its path',
      ways: [`export ${variable}='https://user:password@host:8443/database'`],
    })
  }
  return {
    url: url.origin,
    database: database === '' ? 'default' : database,
    username: decodeURIComponent(url.username) || 'default',
    password: decodeURIComponent(url.password),
    ca,
    display: `clickhouse at ${url.origin}/${database === '' ? 'default' : database}`,
  }
}
