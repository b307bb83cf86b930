/** What a client does before a server whose certificate it should trust, or should not: two authorities, and a TLS proxy before the server. */
import { readFileSync } from 'node:fs'
import { Authority, type Certificate } from './certificates.ts'
import { type TlsProxy, startTlsProxy } from './tls-proxy.ts'

const HOSTS = ['DNS:localhost']

export class TrustTrial {
  /** That the client is given. */
  readonly trusted = new Authority()
  readonly #other = new Authority()
  #proxy: TlsProxy | null = null

  get trustedCa(): string {
    return readFileSync(this.trusted.file, 'utf8')
  }

  get goodCertificate(): Certificate {
    return this.trusted.issue(HOSTS)
  }

  get certificateOfAnother(): Certificate {
    return this.#other.issue(HOSTS)
  }

  /** @returns address of a proxy that shows the certificate and hands on to the server */
  async before(server: URL, certificate: Certificate): Promise<URL> {
    this.#proxy = await startTlsProxy(server, certificate)
    return new URL(this.#proxy.url)
  }

  /** Bytes that the client sent to whom it trusted. */
  received(): number {
    return this.#proxy!.received()
  }

  closeProxy(): void {
    this.#proxy?.close()
  }

  remove(): void {
    this.trusted.remove()
    this.#other.remove()
  }
}

/** Certificates that are refused: what is wrong, the certificate, the authority that the client is given, and why it says that it refuses. */
export const REFUSED_CERTIFICATES: readonly (readonly [
  what: string,
  issue: (trial: TrustTrial) => Certificate,
  ca: (trial: TrustTrial) => string | undefined,
  why: RegExp,
])[] = [
  [
    'is of another authority',
    (trial) => trial.certificateOfAnother,
    (trial) => trial.trustedCa,
    /authority that is not trusted|signature of its certificate/,
  ],
  ['is of an authority that nobody named', (trial) => trial.goodCertificate, () => undefined, /authority that is not trusted/],
  ['is for another host', (trial) => trial.trusted.issue(['DNS:other.example.org']), (trial) => trial.trustedCa, /another host/],
  ['has expired', (trial) => trial.trusted.issue(HOSTS, { days: -1 }), (trial) => trial.trustedCa, /has expired/],
]
