/**
 * Gets the parts that take minutes on a machine that lacks them, before a test asks for them: Weaviate, which Go builds, and ClickHouse.
 * Run as a process of its own, of a lower priority than the tests.
 *
 * Whoever needs a part while it is on its way waits for it (file-lock.ts). What can not be got is not told here: whoever needs it tries
 * again, and says why.
 */
import { constants, setPriority } from 'node:os'
import { downloadClickhouse } from './clickhouse-download.ts'
import { TEST_CLICKHOUSE_VARIABLE } from './local-clickhouse.ts'
import { givenWeaviate } from './local-weaviate.ts'
import { buildWeaviate, canBuildWeaviate } from './weaviate-build.ts'

setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
const nobody = (): void => undefined
await Promise.allSettled([
  ...(givenWeaviate(process.env) === undefined && canBuildWeaviate() ? [buildWeaviate(nobody)] : []),
  ...((process.env[TEST_CLICKHOUSE_VARIABLE] ?? '') === '' ? [downloadClickhouse(nobody)] : []),
])
