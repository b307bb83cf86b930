/**
 * A server that is asked in JSON over HTTP. Node's own client: authorities of one's own (`ca`), which `fetch` has no way to be given
 * without another library. Redirects are not followed, so that the secret goes to nobody but who it is for.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestByHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestByHttps } from 'node:https'
import { certificateFault } from '@sluice/core'

export interface JsonEndpointOptions {
  /** `http:` or `https:`, with the path that every request begins with; without user and password. */
  readonly url: URL
  /** Sent as `Authorization: Bearer …`; never logged. @default none */
  readonly token?: string | undefined
  /** PEM text of the authorities that are trusted in the place of the system's. @default the system's */
  readonly ca?: string | undefined
  /** Of one request, from its begin to the end of its answer. */
  readonly timeoutMs: number
}

export interface JsonAnswer {
  readonly status: number
  /** Parsed; null where the answer has no body. */
  readonly body: unknown
}

/** No answer, or none that can be read. The message holds no secret and nothing that was sent. */
export class NoAnswerError extends Error {}

const ANSWER_BYTES_MAX = 64 * 1024 * 1024

export class JsonEndpoint {
  readonly #options: JsonEndpointOptions
  readonly #agent: HttpAgent

  constructor(options: JsonEndpointOptions) {
    const { url, ca } = options
    this.#options = options
    const settings = { keepAlive: true, ...(ca === undefined ? {} : { ca }) }
    this.#agent = url.protocol === 'https:' ? new HttpsAgent(settings) : new HttpAgent(settings)
  }

  /** `http://host:8080/path`: what messages may say. */
  get display(): string {
    return `${this.#options.url.origin}${this.#options.url.pathname}`.replace(/\/$/, '')
  }

  /** @throws NoAnswerError */
  async request(method: string, path: string, body?: object): Promise<JsonAnswer> {
    const signal = AbortSignal.timeout(this.#options.timeoutMs)
    try {
      const answer = await this.#send(method, path, body === undefined ? null : Buffer.from(JSON.stringify(body)), signal)
      const text = await textOf(answer)
      return { status: answer.statusCode ?? 0, body: text === '' ? null : parsed(text, answer.statusCode ?? 0) }
    } catch (error) {
      if (error instanceof NoAnswerError) throw error
      if (signal.aborted) throw new NoAnswerError(`no answer within ${this.#options.timeoutMs} ms`, { cause: error })
      throw new NoAnswerError(error instanceof Error ? reasonOf(error) : String(error), { cause: error })
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  #send(method: string, path: string, body: Buffer | null, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, token } = this.#options
    const target = new URL(`${url.pathname.replace(/\/$/, '')}${path}`, url.origin)
    const request = target.protocol === 'https:' ? requestByHttps : requestByHttp
    const headers = {
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
    }
    return new Promise((resolve, reject) => {
      const sent = request(target, { method, headers, agent: this.#agent, signal }, resolve)
      sent.on('error', reject)
      sent.end(body ?? undefined)
    })
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of answer) {
    const part = Buffer.from(chunk as Uint8Array)
    bytes += part.length
    if (bytes > ANSWER_BYTES_MAX) throw new NoAnswerError(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What is in front of a server says its errors in words or in HTML: then the status tells. */
function parsed(text: string, status: number): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (status >= 400) return null
    throw new NoAnswerError(`an answer with HTTP ${status} is not JSON`, { cause })
  }
}

/** Where a name has several addresses, the error of all has no message of its own. */
function reasonOf(error: Error): string {
  const certificate = certificateFault(error)
  if (certificate) return certificate.why
  if (error.message !== '') return error.message
  return 'code' in error ? String(error.code) : error.name
}
