/** What the page of requirements names as proof, held against the tests that ran: a proof that did not run proves nothing. */
import path from 'node:path'
import { REASONS, type Requirement, type SystemRequirements } from './requirements.ts'
import type { Proof } from './test-titles.ts'

/** A test as Vitest reports it; each case of a `test.each` is one. */
export interface TestRun {
  /** Absolute. */
  readonly file: string
  /** Of the test alone, with the values of its case. */
  readonly title: string
  /** `passed`, `failed`, or what says that it did not run. */
  readonly status: string
  /** Why it was skipped, in the test's own words. */
  readonly skipReason?: string | undefined
}

export interface ProofsThatRan {
  /** A line a system: requirements, proven ones, and those without a proof by their reason. */
  readonly counts: readonly string[]
  /** Rows whose proof needs what this machine does not have: they are told, and are no failure. */
  readonly notHere: readonly string[]
  /** Rows whose proof did not run though it could have. */
  readonly notRun: readonly string[]
}

/** How a test says that it was skipped for want of a part that a machine may lack. Another reason is none. */
const LACKS_A_PART = /, which is not here$/

type Outcome = { readonly state: 'passed' | 'failed' | 'not run' } | { readonly state: 'not here'; readonly why: string }

/** @param page - Absolute path of the page, to which its links are relative. */
export function proofsThatRan(systems: readonly SystemRequirements[], page: string, runs: readonly TestRun[]): ProofsThatRan {
  const byFile = Map.groupBy(runs, ({ file }) => file)
  const notHere: string[] = []
  const notRun: string[] = []
  const counts = systems.map(({ name, requirements }) => {
    const tally = { proven: 0, lacking: 0 }
    for (const requirement of requirements) {
      const outcomes = requirement.proofs.map((proof) => {
        const file = path.resolve(path.dirname(page), proof.path)
        const outcome = outcomeOf(proof, byFile.get(file) ?? [])
        if (outcome.state === 'not run') notRun.push(lineOf(name, requirement, proof))
        if (outcome.state === 'not here') notHere.push(`${lineOf(name, requirement, proof)}: ${outcome.why}`)
        return outcome.state
      })
      if (outcomes.length > 0 && outcomes.every((state) => state === 'passed')) tally.proven += 1
      if (outcomes.includes('not here')) tally.lacking += 1
    }
    const reasons = REASONS.map((reason) => `${requirements.filter((one) => one.reason === reason).length} ${reason}`)
    const lacking = tally.lacking > 0 ? `, ${tally.lacking} not run on this machine` : ''
    return `${name}: ${requirements.length} requirements, ${tally.proven} proven${lacking}, ${reasons.join(', ')}`
  })
  return { counts, notHere, notRun }
}

/** Of all cases of a title: one that failed, or did not run, is enough. */
function outcomeOf({ title }: Proof, runs: readonly TestRun[]): Outcome {
  const pattern = patternOf(title)
  const cases = runs.filter((run) => pattern.test(run.title))
  const skipped = cases.filter(({ status }) => status !== 'passed' && status !== 'failed')
  const isLacking = ({ skipReason }: TestRun): boolean => skipReason !== undefined && LACKS_A_PART.test(skipReason)
  if (cases.length === 0 || skipped.some((run) => !isLacking(run))) return { state: 'not run' }
  if (cases.some(({ status }) => status === 'failed')) return { state: 'failed' }
  return skipped.length === 0 ? { state: 'passed' } : { state: 'not here', why: skipped[0]!.skipReason! }
}

/** A title as it stands in the source; `%s`, `$name` and what is put into a template stand for the values of a case. */
function patternOf(title: string): RegExp {
  const parts = title.split(/%[sdifjoO]|\$[\w.]+|…/)
  return new RegExp(`^${parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's')
}

function lineOf(system: string, { text }: Requirement, { path: file, title }: Proof): string {
  return `${system}, ${text}: ${file} “${title}”`
}
