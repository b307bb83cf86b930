/** The statements of the runbook, as it has them: its blocks of SQL by their names, and the lines of its scheduler. */
import { readFile } from 'node:fs/promises'
import { type RunningServers, databaseUrl, startServers } from '@sluice/infra'
import { postgresTarget } from '@sluice/postgres'
import { type LlamaDatabases, OWN_SERVERS, makeMonolith, runOn } from './llama-pipeline.ts'
import { type Logins, PASSWORD, SERVICES } from './logins.ts'

const PAGE = new URL('../../../docs/runbooks/llama_mapper.md', import.meta.url)
/** The service whose statements the page shows; those of the others are the same with their names. */
const SHOWN = 'analysis'
const WORKERS = { app: 'web', projector: 'worker', verifier: 'check' } as const

export interface ScheduledStatement {
  /** In whose file of secrets its URL stands. */
  readonly login: string
  readonly statement: string
}

export class Runbook {
  readonly #text: string

  private constructor(text: string) {
    this.#text = text
  }

  static async read(): Promise<Runbook> {
    return new Runbook(await readFile(PAGE, 'utf8'))
  }

  get scheduled(): readonly ScheduledStatement[] {
    const lines = this.#block('crontab').trim().split('\n')
    return lines.map((line) => {
      const [, login, statement] = /^[\d* ]+ psql "\$\(cat \/run\/secrets\/(\w+)\)" -c '([^']+)'$/.exec(line)!
      return { login: login!, statement: statement! }
    })
  }

  get logins(): Logins {
    return {
      monolith: 'llama_reader',
      pipeline: 'llama_pipeline',
      owner: (service) => `${service}_owner`,
      of: (service, login) => `${service}_${WORKERS[login]}`,
      statements: (service) => this.#block('sql logins').replaceAll(SHOWN, service),
    }
  }

  /** A server for all of it, with a monolith that has been there before, and what the page's superusers make. */
  async makeDatabases(): Promise<LlamaDatabases> {
    const servers = await startServers(OWN_SERVERS)
    const urlOf = (database: string): string => databaseUrl(servers.services.url, database)
    await asSuperuser(servers, 'CREATE DATABASE llama_mapper_db')
    await makeMonolith(urlOf('llama_mapper_db'))
    await asSuperuser(servers, `\\connect llama_mapper_db\n${this.#block('sql monolith')}`)
    await asSuperuser(servers, this.#block('sql pipeline'))
    for (const service of SERVICES) {
      const block = this.#block('sql service')
      await asSuperuser(
        servers,
        service === SHOWN ? block : block.replaceAll(SHOWN, service).replace('CREATE EXTENSION vector;', ''),
      )
    }
    const urls = {
      monolith: urlOf('llama_mapper_db'),
      pipeline: urlOf('llama_pipeline'),
      orchestration: urlOf('orchestration_db'),
      analysis: urlOf('analysis_db'),
      mapper: urlOf('mapper_db'),
    }
    return { servers, urls, logins: this.logins, elsewhere: [] }
  }

  #block(name: string): string {
    const [, block] = new RegExp(`^\`\`\`${name}\n([\\s\\S]*?)^\`\`\``, 'm').exec(this.#text)!
    return block!.replaceAll('…', PASSWORD)
  }
}

/** As psql does it: each statement is its own transaction, and `\connect` goes on in another database. */
async function asSuperuser(servers: RunningServers, statements: string): Promise<void> {
  let database = 'postgres'
  for (const statement of statements.split(/;\n|^(?=\\connect)|(?<=^\\connect \w+)\n/m)) {
    const [, other] = /^\\connect (\w+)/.exec(statement.trim()) ?? []
    if (other !== undefined) database = other
    else if (statement.trim() !== '') {
      await runOn(postgresTarget(database, databaseUrl(servers.services.url, database)), statement)
    }
  }
}
