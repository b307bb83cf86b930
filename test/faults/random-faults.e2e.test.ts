/**
 * Kills and stops at random moments, under a workload: nothing lost, nothing doubled, order kept, all rows equal.
 *
 * Before each fault the relay is held (SIGSTOP) until at least `BACKLOG_EVENTS` stand between the store and the services,
 * then let go, and the fault strikes a random moment later, while those events are on their way. How many were is asserted.
 *
 * The seed is printed; SLUICE_TEST_SEED=N replays the choice of faults and moments.
 */
import { runWorkload } from '@sluice/medcontracthub/workload'
import { generateSampleData } from '@sluice/medcontracthub/sample-data'
import { afterAll, expect, test } from 'vitest'
import { SluiceProcess } from '../harness/sluice-process.ts'
import { startTestServers } from '../harness/test-servers.ts'
import { startTestSystem, type TestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { medcontracthubTables } from '../oracle/medcontracthub-tables.ts'
import { compareRows } from '../oracle/same-rows.ts'
import { checkStore } from '../oracle/store-invariants.ts'
import { checkTopics } from '../oracle/topic-invariants.ts'
import { SeededRandom } from './seeded-random.ts'
