import { expect, test } from 'vitest'
import { type ProofsThatRan, type TestRun, proofsThatRan } from './proofs-that-ran.ts'
import { systemsIn } from './requirements.ts'

const PAGE = '/sluice/docs/systems.md'
const FILE = '/sluice/packages/pump/test/pump.int.test.ts'

const systems = systemsIn(
  [
    '# Systems',
    '## mill',
    '| topic | requirement | proof or reason |',
    '| --- | --- | --- |',
    '| Water | It flows | [pump](../packages/pump/test/pump.int.test.ts) “water flows” |',
    '| Water | By each pipe | [pump](../packages/pump/test/pump.int.test.ts) “the pipe %s (%d) is open” |',
    '| Wheel | It turns | **not here**: a river |',
  ].join('\n'),
)

function ran(title: string, status = 'passed', skipReason?: string): TestRun {
  return { file: FILE, title, status, skipReason }
}

function compared(...runs: readonly TestRun[]): ProofsThatRan {
  return proofsThatRan(systems, PAGE, runs)
}

const PIPES = [ran('the pipe north (1) is open'), ran('the pipe south (2) is open')]

test('a row is proven when every case of its tests passed', () => {
  expect(compared(ran('water flows'), ...PIPES)).toEqual({
    counts: ['mill: 3 requirements, 2 proven, 1 not here, 0 own, 0 later, 0 open'],
    notHere: [],
    notRun: [],
  })
})

test('a proof that did not run is told with its row, its file and its title', () => {
  const { counts, notRun } = compared(...PIPES)
  expect(notRun).toEqual(['mill, Water: It flows: ../packages/pump/test/pump.int.test.ts “water flows”'])
  expect(counts).toEqual(['mill: 3 requirements, 1 proven, 1 not here, 0 own, 0 later, 0 open'])
})

test.each([
  ['of another file', [{ ...ran('water flows'), file: '/sluice/packages/well/test/pump.int.test.ts' }]],
  ['of which the title is only a part', [ran('clean water flows'), ran('water flows fast')]],
  ['that was skipped without a reason', [ran('water flows', 'skipped')]],
  ['that was skipped for a reason of its own', [ran('water flows', 'skipped', 'takes too long')]],
  ['that is to be written', [ran('water flows', 'todo')]],
  ['of which one case was skipped', [ran('water flows'), ran('water flows', 'skipped')]],
])('a test %s does not count as one that ran', (_, runs) => {
  expect(compared(...runs, ...PIPES).notRun).toHaveLength(1)
})

test('a test that failed proves nothing, and is no second failure', () => {
  const { counts, notRun } = compared(ran('water flows', 'failed'), ...PIPES)
  expect(notRun).toEqual([])
  expect(counts).toEqual(['mill: 3 requirements, 1 proven, 1 not here, 0 own, 0 later, 0 open'])
})

test('where the machine lacks a part, the rows that need it are told and counted, and are no failure', () => {
  const skipped = ran('the pipe south (2) is open', 'skipped', 'The south is reached by boat, which is not here')
  const { counts, notHere, notRun } = compared(ran('water flows'), PIPES[0]!, skipped)
  expect(notRun).toEqual([])
  expect(notHere).toEqual([
    'mill, Water: By each pipe: ../packages/pump/test/pump.int.test.ts “the pipe %s (%d) is open”: The south is reached by boat, which is not here',
  ])
  expect(counts).toEqual(['mill: 3 requirements, 1 proven, 1 not run on this machine, 1 not here, 0 own, 0 later, 0 open'])
})
