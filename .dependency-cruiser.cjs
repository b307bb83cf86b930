/** The arrows of docs/architecture.md, "The packages": what is not listed there is forbidden. */
const arrows = {
  core: [],
  system: ['core'],
  postgres: ['core'],
  pgoutput: ['core'],
  kafka: ['core'],
  telemetry: ['core'],
  outbox: ['core'],
  'database-manager': ['core', 'postgres', 'telemetry'],
  workload: ['core', 'system', 'outbox'],
  store: ['core', 'postgres'],
  avro: ['core', 'system'],
  privacy: ['core', 'system', 'postgres'],
  reader: ['core', 'system', 'postgres', 'pgoutput', 'store', 'privacy'],
  relay: ['core', 'system', 'postgres', 'store', 'avro', 'kafka'],
  sink: ['core', 'system'],
  clickhouse: ['core', 'system', 'sink'],
  weaviate: ['core', 'system', 'sink'],
  projector: ['core', 'system', 'postgres', 'avro', 'kafka', 'privacy', 'sink'],
  verify: ['core', 'system', 'postgres', 'store', 'kafka', 'privacy', 'sink'],
  migrate: ['core', 'system', 'postgres', 'outbox', 'projector'],
  provision: ['core', 'system', 'postgres', 'outbox', 'store', 'avro', 'kafka', 'projector', 'privacy', 'sink'],
  backup: ['core', 'system', 'postgres', 'privacy', 'provision', 'sink'],
  doctor: ['core', 'system', 'postgres', 'store', 'avro', 'kafka', 'migrate', 'backup', 'sink'],
  trace: ['core', 'system', 'postgres', 'store', 'kafka'],
}

const forbidden = Object.entries(arrows).map(([name, allowed]) => ({
  name: `arrows-of-${name}`,
  severity: 'error',
  comment: `packages/${name} may import: ${allowed.join(', ') || 'no other package'}`,
  from: { path: `^packages/${name}/src/`, pathNot: '\\.test\\.ts$' },
  to: { path: '^(packages|schemas|infra|test)/', pathNot: [`^packages/${name}/`, ...allowed.map((a) => `^packages/${a}/`)] },
}))

module.exports = {
  forbidden: [
    ...forbidden,
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'only-the-door',
      severity: 'error',
      comment: 'a package is imported through its index.ts',
      from: { path: '^packages/([^/]+)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^packages/[^/]+/src/', pathNot: ['^packages/$1/', '^packages/[^/]+/src/index\\.ts$'] },
    },
    { name: 'oracle-apart', severity: 'error', from: { path: '^test/oracle/' }, to: { path: '^packages/' } },
    {
      name: 'schemas-only-words',
      severity: 'error',
      from: { path: '^schemas/', pathNot: ['\\.test\\.ts$', '/test/'] },
      to: { path: '^packages/', pathNot: '^packages/(core|system|outbox|workload|database-manager)/' },
    },
    {
      name: 'infra-below',
      severity: 'error',
      from: { path: '^infra/' },
      to: { path: '^packages/', pathNot: '^packages/(core|kafka)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'default'],
      extensions: ['.ts', '.js', '.cjs', '.json'],
    },
  },
}
