/** An authority for tests, and certificates that it signed, made by openssl. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly key: string
  readonly certificate: string
}

export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-authority-'))
  #issued = 0

  constructor() {
    this.#openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=Authority of a test',
    )
  }

  /** File of its own certificate, which whoever trusts it names. */
  get file(): string {
    return join(this.#folder, 'ca.pem')
  }

  /** @param names hosts, as `DNS:localhost` */
  issue(names: readonly string[], { days }: { readonly days: number } = { days: 1 }): Certificate {
    this.#issued += 1
    const [key, request, certificate] = ['key', 'csr', 'pem'].map((kind) => `${this.#issued}.${kind}`)
    const subject = ['-subj', '/CN=a server', '-addext', `subjectAltName=${names.join(',')}`]
    this.#openssl('req', ...NEW_KEY, '-keyout', key!, '-out', request!, ...subject)
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-copy_extensions', 'copy', '-days', String(days)]
    this.#openssl('x509', '-req', '-in', request!, '-out', certificate!, ...signed)
    const read = (name: string): string => readFileSync(join(this.#folder, name), 'utf8')
    return { key: read(key!), certificate: read(certificate!) }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true })
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] })
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
