/**
 * The command tree: names, arguments, options, help. Implementations are loaded when their command runs, so that
 * `--help` is fast and a command pays for its own libraries only.
 */
import { Command, Help, InvalidArgumentError, Option } from 'commander'
import type { CommandImplementation, CommandInput, GlobalOptions } from './command.ts'
import { addHelp } from './help-text.ts'
import { builtInDemos } from './system-file.ts'

/** Runs what was called; `main.ts` gives the real one, tests record. */
export type Dispatch = (call: {
  readonly name: string
  readonly globals: GlobalOptions
  readonly input: CommandInput
  readonly load: () => Promise<CommandImplementation>
  readonly endsBySignal: boolean
}) => Promise<void>

interface Leaf {
  readonly load: () => Promise<CommandImplementation>
  readonly endsBySignal?: boolean
}

const DATA_EXITS = [0, 1, 2, 3, 130] as const
const VERDICT_EXITS = [0, 1, 2, 3, 4, 130] as const

const SETTINGS_HELP = `
Settings:
  Servers are named by the environment: SLUICE_MONOLITH_URL, SLUICE_PIPELINE_URL, SLUICE_<SERVICE>_URL,
  KAFKA_BROKERS, SCHEMA_REGISTRY_URL; each may come from a file, as SLUICE_MONOLITH_URL_FILE.
  For servers to try things on: sluice dev up, then eval "$(sluice dev env)".`

export function buildProgram(version: string, dispatch: Dispatch): Command {
  const program = new Command('sluice')
    .description('Splits a PostgreSQL monolith into one database per service while it is in use.')
    .version(version, '-V, --version', 'print the version')
    .addOption(new Option('-s, --system <name|path>', 'system definition').env('SLUICE_SYSTEM'))
    .option('--json', 'one JSON object on stdout', false)
    .option('--debug', 'write the stack of an error into a file', false)
    .option('--no-color', 'no colour; as NO_COLOR=1')
    .option('--settings <file>', 'read settings from a file; the environment wins')
    .addOption(
      new Option('--log-level <level>', 'log of long-running commands')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .env('SLUICE_LOG_LEVEL'),
    )
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true, optionDescription: describeOption })
  addHelp(program, { examples: ['sluice demo', 'sluice --system ./shop/system.ts doctor'], exits: [0, 1, 2, 3, 4, 5, 130] })
  program.addHelpText('after', SETTINGS_HELP)

  const leaf = (command: Command, options: Leaf): Command =>
    command.action(async (...parameters: unknown[]) => {
      await dispatch({
        name: pathOf(command),
        globals: globalsOf(program),
        input: { args: argumentsOf(parameters), options: command.opts() },
        load: options.load,
        endsBySignal: options.endsBySignal ?? false,
      })
    })

  addStart(program, leaf)
  addRun(program, leaf)
  addWatch(program, leaf)
  addReference(program, leaf)
  return program
}

/** That a switch is off unless it is given needs no saying. */
function describeOption(option: Option): string {
  return new Help().optionDescription(option).replace(/ \(default: false\)$/, '')
}

type AddLeaf = (command: Command, options: Leaf) => Command

function addStart(program: Command, leaf: AddLeaf): void {
  program.commandsGroup('Start:')
  const demo = program
    .command('demo')
    .description('Splits a sample monolith on real servers while a workload runs, and proves both sides equal.')
    .option('--rows <n>', 'rows that the monolith begins with, in all', wholeNumber, 60_000)
    .option('--seed <n>', 'seed of the data and the workload', wholeNumber, 1)
    .option('--rate <n>', 'rows that the workload changes a second', wholeNumber, 300)
    .option('--seconds <n>', 'how long the workload goes on after the load has arrived', wholeNumber, 30)
    .option('--keep', 'leave everything running', false)
  leaf(demo, { load: async () => (await import('./commands/demo.ts')).demo })
  addHelp(demo, {
    examples: ['sluice demo', 'sluice demo --system medcontracthub --rows 100000 --json', 'sluice demo --keep'],
    exits: VERDICT_EXITS,
  })
  demo.addHelpText('after', () => `\nSystems:\n  ${builtInDemos().join(', ')}; medcontracthub unless --system names another`)

  const dev = program.command('dev').description('Real servers for development: three PostgreSQL, Kafka, a schema registry.')
  addHelp(dev, { examples: ['sluice dev up', 'eval "$(sluice dev env)"'], exits: DATA_EXITS })
  const verbs = [
    ['up', 'Starts the servers and makes the databases of the system; leaves them running.'],
    ['down', 'Stops the servers that `sluice dev up` started and removes their data.'],
    ['status', 'Shows which of them run.'],
    ['env', 'Prints the settings as export lines.'],
  ] as const
  for (const [verb, description] of verbs) {
    const command = dev.command(verb).description(description)
    if (verb === 'down') command.option('--yes', 'do not ask', false)
    leaf(command, { load: async () => (await import('./commands/dev.ts')).devCommands[verb] })
    const examples = verb === 'env' ? ['eval "$(sluice dev env)"'] : [`sluice dev ${verb}`]
    addHelp(command, { examples, exits: verb === 'down' ? [0, 1, 2, 3, 5, 130] : DATA_EXITS })
  }
}

function addRun(program: Command, leaf: AddLeaf): void {
  program.commandsGroup('Migrate:')
  const doctor = program
    .command('doctor')
    .description('Checks every server before anything is changed; each finding says what to do. Changes nothing.')
  leaf(doctor, { load: async () => (await import('./commands/doctor.ts')).doctor })
  addHelp(doctor, { examples: ['sluice doctor', 'sluice doctor --json'], exits: VERDICT_EXITS })

  const provision = program
    .command('provision')
    .description('Creates what is missing: tables of Sluice and of the services, topics, registered schemas.')
    .option('--dry-run', 'print the plan and change nothing', false)
    .option('--service <name>', 'one service only')
    .option('--create-databases', 'create databases that do not exist', false)
    .option('--recreate <service>', 'instead: make the database of a service anew, empty; its projector fills it from the topics')
    .option('--yes', 'with --recreate: do it', false)
  leaf(provision, { load: async () => (await import('./commands/provision.ts')).provisionCommand })
  addHelp(provision, {
    examples: ['sluice provision --dry-run', 'sluice provision', 'sluice provision --recreate analytics --dry-run'],
    exits: [0, 1, 2, 3, 4, 5, 130],
  })

  const env = program
    .command('env <service>')
    .description('Prints the settings that a service needs, as export lines. Passwords are named by their variables.')
    .option('--scheme <scheme>', 'of the URL of its database: postgresql+asyncpg', 'postgresql')
    .option('--show-secrets', 'print passwords too', false)
  leaf(env, { load: async () => (await import('./commands/env.ts')).env })
  addHelp(env, { examples: ['eval "$(sluice env analytics)"', 'sluice env analytics --json'], exits: DATA_EXITS })

  addMigrate(program, leaf)

  const run = program.command('run').description('Runs a part of the pipeline until it is told to stop.')
  addHelp(run, { examples: ['sluice run all', 'sluice run projector analytics'], exits: DATA_EXITS })
  const parts = [
    [
      'reader',
      '[lane]',
      'Reads sources from their slots into the event store; every lane, or the one named.',
      'sluice run reader',
    ],
    ['relay', '[lane]', 'Publishes stored events to Kafka; of every lane, or the one named.', 'sluice run relay'],
    ['projector', '<service>', 'Applies published events to a service database.', 'sluice run projector analytics'],
    ['all', '', 'Runs every reader, relay and projector of the system in one process.', 'sluice run all'],
  ] as const
  for (const [part, argument, description, example] of parts) {
    const command = run
      .command(`${part} ${argument}`.trim())
      .description(description)
      .addOption(
        new Option('--health-port <port>', 'port of /livez, /readyz, /healthz and /metrics; 0 takes a free one')
          .argParser(portNumber)
          .default(0)
          .env('SLUICE_HEALTH_PORT'),
      )
      .addOption(new Option('--health-host <host>', 'address that it listens on').default('127.0.0.1').env('SLUICE_HEALTH_HOST'))
      .option('--stop-with-stdin', 'stop cleanly when standard input ends', false)
    leaf(command, { load: async () => (await import('./commands/run.ts')).runCommands[part], endsBySignal: true })
    addHelp(command, { examples: [example], exits: DATA_EXITS })
  }

  addBackfill(program, leaf)
  addBackup(program, leaf)
}

function addBackup(program: Command, leaf: AddLeaf): void {
  const folderOfTools = (): Option =>
    new Option('--pg-bin <folder>', "where PostgreSQL's programs are; those on the path without it").env('SLUICE_PG_BIN')
  const backup = program
    .command('backup [database]')
    .description('Backs up every database with pg_dump, or the one named: monolith, pipeline, or a service.')
    .option('--to <folder>', 'folder that gets a folder of each database; needed')
    .addOption(folderOfTools())
    .option('--compression <level>', "level of gzip, 0 to 9; without it pg_dump's own", compressionLevel)
    .option('--dry-run', 'check versions and rights, and write nothing', false)
  // Its options stand before `verify`, which has its own.
  backup.enablePositionalOptions()
  leaf(backup, { load: async () => (await import('./commands/backup.ts')).backup })
  addHelp(backup, {
    examples: ['sluice backup --to /backups/2026-11-21', 'sluice backup analytics --to /backups/before-release'],
    exits: VERDICT_EXITS,
  })

  const verify = backup
    .command('verify <folder>')
    .description('Checks backups without any database: the sha256 of each, and that pg_restore reads it.')
    .addOption(folderOfTools())
  leaf(verify, { load: async () => (await import('./commands/backup-verify.ts')).backupVerify })
  addHelp(verify, { examples: ['sluice backup verify /backups/2026-11-21'], exits: VERDICT_EXITS })

  const restore = program
    .command('restore <database>')
    .description('Restores a backup into an empty database, or one that does not exist; with every erasure since.')
    .option('--from <folder>', 'folder that the backup was made in; needed')
    .addOption(folderOfTools())
    .option('--dry-run', 'check backup and database, and change nothing', false)
  leaf(restore, { load: async () => (await import('./commands/restore.ts')).restore })
  addHelp(restore, {
    examples: ['sluice restore analytics --from /backups/2026-11-21 --dry-run'],
    exits: [0, 1, 2, 3, 4, 5, 130],
  })
}

function addMigrate(program: Command, leaf: AddLeaf): void {
  const migrate = program
    .command('migrate')
    .description('The migrations of the services: what is applied, up, down, new ones, drift.')
  addHelp(migrate, { examples: ['sluice migrate status', 'sluice migrate up'], exits: DATA_EXITS })

  const status = migrate
    .command('status [service]')
    .description('Shows what is applied and what is pending, of every service or the one named. Changes nothing.')
    .option('--check', 'exit code 4 if anything is pending', false)
  leaf(status, { load: async () => (await import('./commands/migrate.ts')).migrateStatus })
  addHelp(status, { examples: ['sluice migrate status', 'sluice migrate status analytics --check'], exits: VERDICT_EXITS })

  const up = migrate
    .command('up [service]')
    .description('Applies what is pending, one service after the other, and stops at the first that fails.')
    .option('--dry-run', 'say what would be applied and change nothing', false)
  leaf(up, { load: async () => (await import('./commands/migrate.ts')).migrateUp })
  addHelp(up, { examples: ['sluice migrate up --dry-run', 'sluice migrate up analytics'], exits: DATA_EXITS })

  const down = migrate
    .command('down <service>')
    .description('Undoes the migration of one service that was applied last. What that drops is gone.')
    .option('--dry-run', 'show the SQL and change nothing', false)
    .option('--yes', 'do it', false)
  leaf(down, { load: async () => (await import('./commands/migrate.ts')).migrateDown })
  addHelp(down, {
    examples: ['sluice migrate down analytics --dry-run', 'sluice migrate down analytics --yes'],
    exits: [0, 1, 2, 3, 5, 130],
  })

  const fresh = migrate
    .command('new <service> <name>')
    .description('Writes the next migration file of a service, empty or drafted.')
    .option('--diff', 'draft what turns the structure that the migrations make into that of the database', false)
    .option(
      '--to <file|VARIABLE>',
      'with --diff: into that of a file of SQL, or of the database that a variable SLUICE_…_URL names',
    )
    .option('--dry-run', 'print it and write nothing', false)
  leaf(fresh, { load: async () => (await import('./commands/migrate-new.ts')).migrateNew })
  addHelp(fresh, {
    examples: [
      'sluice migrate new analytics add_category',
      'sluice migrate new analytics as_in_production --diff --dry-run',
      'sluice migrate new analytics next_release --diff --to ./schema.sql',
    ],
    exits: VERDICT_EXITS,
  })

  const drift = migrate
    .command('drift [service]')
    .description('Compares the structure of a database with what its migrations make in a scratch database beside it.')
  leaf(drift, { load: async () => (await import('./commands/migrate-drift.ts')).migrateDrift })
  addHelp(drift, { examples: ['sluice migrate drift', 'sluice migrate drift analytics --json'], exits: VERDICT_EXITS })
}

function addBackfill(program: Command, leaf: AddLeaf): void {
  const backfill = program.command('backfill').description('Reads rows of a table again, while its changes stream on.')
  addHelp(backfill, { examples: ['sluice backfill start orders --dry-run', 'sluice backfill list'], exits: DATA_EXITS })
  const throttled = (command: Command): Command =>
    command
      .option('--max-lag <events>', 'wait while more events than this are not published', wholeNumber)
      .option('--max-sessions <n>', 'wait while more sessions than this are at work in the source', wholeNumber)
      .option('--rate <rows>', 'rows a second at most; 0: as fast as it goes', wholeNumber)

  const start = throttled(
    backfill
      .command('start <table>')
      .description('Asks for a backfill of a table, a range of its keys, or the rows that a condition takes.')
      .option('--lane <name>', 'lane that captures it', 'monolith')
      .option('--from <key>', 'first key; of several columns a JSON array')
      .option('--to <key>', 'last key')
      .option('--where <sql>', 'condition over the columns; other names with their schema')
      .option('--dry-run', 'say how much it is and change nothing', false),
  )
  leaf(start, { load: async () => (await import('./commands/backfill.ts')).backfillStart })
  addHelp(start, {
    examples: ['sluice backfill start orders --dry-run', `sluice backfill start orders --from 1000 --where "status = 'open'"`],
    exits: DATA_EXITS,
  })

  const list = backfill.command('list').description('Shows every backfill: how far it is, how fast, and when it will be done.')
  leaf(list, { load: async () => (await import('./commands/backfill.ts')).backfillList })
  addHelp(list, { examples: ['sluice backfill list', 'sluice backfill list --json'], exits: DATA_EXITS })

  const asks = [
    ['pause', 'Lets a backfill stand after the chunk at hand.', 'backfillPause'],
    ['resume', 'Lets one that is paused or failed go on after its last chunk.', 'backfillResume'],
    ['cancel', 'Ends one after the chunk at hand; what it stored stays.', 'backfillCancel'],
  ] as const
  for (const [verb, description, name] of asks) {
    const command = backfill.command(`${verb} <backfill>`).description(description)
    leaf(command, { load: async () => (await import('./commands/backfill.ts'))[name] })
    addHelp(command, { examples: [`sluice backfill ${verb} 0b0d6e3e`], exits: DATA_EXITS })
  }

  const throttle = throttled(
    backfill.command('throttle <backfill>').description('Changes how much one may take, from its next chunk on.'),
  )
  leaf(throttle, { load: async () => (await import('./commands/backfill.ts')).backfillThrottle })
  addHelp(throttle, { examples: ['sluice backfill throttle 0b0d6e3e --rate 5000'], exits: DATA_EXITS })
}

function addWatch(program: Command, leaf: AddLeaf): void {
  program.commandsGroup('Look:')
  const status = program.command('status').description('Shows how far each stage is: lag in bytes, events and seconds.')
  addProcessAddress(status, { isRequired: false })
  leaf(status, { load: async () => (await import('./commands/status.ts')).status })
  addHelp(status, { examples: ['sluice status', 'sluice status --health-port 9090 --json'], exits: DATA_EXITS })

  const verify = program
    .command('verify')
    .description('Compares every row of every service table with the monolith at one LSN, and recomputes the hash chain.')
    .option('--service <name>', 'one service only')
    .option('--report <file>', 'write migration_report.json there, whatever the verdict')
    .option('--timeout <seconds>', 'longest wait for open transactions, and for the stages to arrive', wholeNumber, 60)
  leaf(verify, { load: async () => (await import('./commands/verify.ts')).verify })
  addHelp(verify, { examples: ['sluice verify', 'sluice verify --service analytics --json'], exits: VERDICT_EXITS })

  addPrivacy(program, leaf)

  const events = program
    .command('events')
    .description('Lists stored events.')
    .option('--lane <name>', 'lane; all without it')
    .option('--aggregate <id>', "an aggregate's id, key or type, or type/id")
    .option('--type <type>', 'event type')
    .option('--correlation <id>', 'correlation id')
    .option('--after <position>', 'the first events after this position of a lane; without it the newest', wholeNumber)
    .option('--limit <n>', 'how many at most', wholeNumber, 50)
  leaf(events, { load: async () => (await import('./commands/events.ts')).events })
  addHelp(events, {
    examples: ['sluice events --type OpportunityUpdated', 'sluice events --lane monolith --after 1000 --limit 10'],
    exits: DATA_EXITS,
  })

  const trace = program
    .command('trace <correlation-id>')
    .description('Shows everything that one correlation caused, over all services, with the time at each stage.')
  leaf(trace, { load: async () => (await import('./commands/trace.ts')).trace })
  addHelp(trace, { examples: ['sluice trace checkout-4711'], exits: VERDICT_EXITS })

  addParked(program, leaf)

  const health = addProcessAddress(
    program.command('health').description('Asks a running process whether it is ready; for probes without curl.'),
    { isRequired: true },
  ).option('--live', 'ask /livez instead of /readyz', false)
  leaf(health, { load: async () => (await import('./commands/health.ts')).health })
  addHelp(health, { examples: ['sluice health --health-port 9090'], exits: VERDICT_EXITS })
}

function addParked(program: Command, leaf: AddLeaf): void {
  const parked = program.command('parked').description('Events that a service refused, and those that wait behind them.')
  addHelp(parked, { examples: ['sluice parked list analytics'], exits: DATA_EXITS })
  const ofRelay = (): Option => new Option('--relay', 'of the relay of a lane: name the lane, not a service').default(false)
  const selecting = (command: Command): Command =>
    command
      .option('--key <type/key>', 'events of one aggregate: its type and its id or key')
      .option('--topic <name>', 'events of one topic')
      .option('--error <code>', 'events that were refused with this SQLSTATE or code, or its class: 23, SLU-50')

  const list = selecting(parked.command('list <service>').description('Lists them, and how many wait behind each.'))
    .addOption(ofRelay())
    .option('--waiting', 'list those that wait, too', false)
    .option('--ended', 'instead: how the last ones left the parking lot', false)
    .option('--after <lane:position>', 'the next page')
    .option('--limit <n>', 'how many at most', wholeNumber, 50)
  leaf(list, { load: async () => (await import('./commands/parked.ts')).parkedList })
  addHelp(list, { examples: ['sluice parked list analytics', 'sluice parked list analytics --error 23505'], exits: DATA_EXITS })

  const show = parked
    .command('show <service> <event-id>')
    .description('Shows one of them whole.')
    .addOption(ofRelay())
    .option('--values', 'with the values of its row, in captured form', false)
  leaf(show, { load: async () => (await import('./commands/parked.ts')).parkedShow })
  addHelp(show, { examples: ['sluice parked show analytics 0b0d6e3e-7d4c-5f4e-9f0c-2f6f9c1f7a55'], exits: DATA_EXITS })

  const retry = selecting(
    parked
      .command('retry <service> [event-id]')
      .description('Applies the first of each key again, and then those that wait behind it, in order.'),
  )
    .addOption(ofRelay())
    .option('--all', 'every parked event', false)
    .option('--reason <text>', 'kept with the record')
    .option('--dry-run', 'say what would be tried and change nothing', false)
  leaf(retry, { load: async () => (await import('./commands/parked.ts')).parkedRetry })
  addHelp(retry, {
    examples: ['sluice parked retry analytics --error 23505 --dry-run', 'sluice parked retry analytics --all'],
    exits: VERDICT_EXITS,
  })

  const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
  const edit = parked
    .command('edit <service> <event-id>')
    .description(
      'Changes what this service takes of one of them; a retry applies it. Store and topic keep the event, so the row differs from its source. At a relay nothing is edited: correct the source.',
    )
    .addOption(ofRelay())
    .option('--set <column=value>', "PostgreSQL's text of a column; may be given again", collect)
    .option('--set-json <object>', 'several columns at once')
    .option('--null <column>', 'NULL for a column; may be given again', collect)
    .option('--reason <text>', 'kept with the record; needed')
    .option('--dry-run', 'show the difference and change nothing', false)
  leaf(edit, { load: async () => (await import('./commands/parked-edit.ts')).parkedEdit })
  addHelp(edit, {
    examples: [
      "sluice parked edit analytics 0b0d6e3e-7d4c-5f4e-9f0c-2f6f9c1f7a55 --set 'email=a@example.org' --dry-run",
      "sluice parked edit analytics 0b0d6e3e-7d4c-5f4e-9f0c-2f6f9c1f7a55 --null phone --reason 'no number'",
    ],
    exits: [0, 1, 2, 3, 130],
  })

  const skip = selecting(
    parked.command('skip <service> [event-id]').description('Gives events up for ever; those that wait behind them go on.'),
  )
    .addOption(ofRelay())
    .option('--reason <text>', 'kept with the record; needed')
    .option('--dry-run', 'say what would be given up and change nothing', false)
    .option('--yes', 'do it', false)
  leaf(skip, { load: async () => (await import('./commands/parked.ts')).parkedSkip })
  addHelp(skip, {
    examples: ["sluice parked skip analytics --key Customer/4711 --reason 'test data' --yes"],
    exits: [0, 1, 2, 3, 4, 5, 130],
  })
}

function addPrivacy(program: Command, leaf: AddLeaf): void {
  const erase = program
    .command('erase [subject]')
    .description('Destroys the key of a person, and overwrites what services hold of their encrypted columns. For ever.')
    .option('--kind <kind>', 'what the subject is an id of', 'person')
    .option('--confirm <subject>', 'the subject again: do it')
    .option('--recorded', 'instead: give every database the erasures that another one remembers', false)
    .option('--dry-run', 'say what would be erased and change nothing', false)
  leaf(erase, { load: async () => (await import('./commands/erase.ts')).erase })
  addHelp(erase, {
    examples: ['sluice erase 4711 --dry-run', 'sluice erase 4711 --confirm 4711', 'sluice erase --recorded'],
    exits: [0, 1, 2, 3, 5, 130],
  })

  const keys = program.command('keys').description('The keys of private columns.')
  addHelp(keys, { examples: ['sluice keys rotate'], exits: DATA_EXITS })
  const rotate = keys.command('rotate').description('Wraps every key with the first master key of SLUICE_MASTER_KEY.')
  leaf(rotate, { load: async () => (await import('./commands/keys.ts')).keysRotate })
  addHelp(rotate, { examples: ['sluice keys rotate'], exits: DATA_EXITS })
}

/** Where a running process answers. */
function addProcessAddress(command: Command, { isRequired }: { readonly isRequired: boolean }): Command {
  const what = isRequired ? 'its health port' : 'health port of a process whose engines are asked too'
  const port = new Option('--health-port <port>', what).argParser(portNumber).env('SLUICE_HEALTH_PORT')
  return command
    .addOption(isRequired ? port.makeOptionMandatory() : port)
    .addOption(new Option('--health-host <host>', 'its address').default('127.0.0.1').env('SLUICE_HEALTH_HOST'))
}

function addReference(program: Command, leaf: AddLeaf): void {
  program.commandsGroup('Refer:')
  const schemas = program.command('schemas').description('The Avro schemas that are derived from the captured tables.')
  addHelp(schemas, { examples: ['sluice schemas check'], exits: VERDICT_EXITS })
  const generate = schemas.command('generate').description("Writes them into the system's folder.")
  leaf(generate, { load: async () => (await import('./commands/schemas.ts')).schemasGenerate })
  addHelp(generate, { examples: ['sluice schemas generate'], exits: DATA_EXITS })
  const check = schemas.command('check').description('Compares the files with what would be written.')
  leaf(check, { load: async () => (await import('./commands/schemas.ts')).schemasCheck })
  addHelp(check, { examples: ['sluice schemas check'], exits: VERDICT_EXITS })

  const explain = program.command('explain <code>').description('Explains an error code.')
  leaf(explain, { load: async () => (await import('./commands/explain.ts')).explain })
  addHelp(explain, { examples: ['sluice explain SLU-2020'], exits: [0, 2] })
}

/** `run projector`, as the envelope names a command. */
function pathOf(command: Command): string {
  const names: string[] = []
  for (let at: Command | null = command; at.parent; at = at.parent) names.unshift(at.name())
  return names.join(' ')
}

/** Commander hands an action its arguments, then options and command; an argument left out is undefined. */
function argumentsOf(parameters: readonly unknown[]): readonly string[] {
  return parameters.slice(0, -2).filter((p) => typeof p === 'string')
}

function globalsOf(program: Command): GlobalOptions {
  const { system, json, debug, logLevel } = program.opts<GlobalOptions>()
  return { system, json, debug, logLevel }
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

function compressionLevel(text: string): number {
  if (!/^\d$/.test(text)) throw new InvalidArgumentError('It must be a level from 0 to 9.')
  return Number(text)
}

function portNumber(text: string): number {
  const port = wholeNumber(text)
  if (port > 65_535) throw new InvalidArgumentError('It must be a port from 0 to 65535.')
  return port
}
