/** The rows of the page of requirements, system by system. */
import { type Proof, proofsIn } from './test-titles.ts'

/** Why a requirement has no proof; an open one has neither yet. */
export const REASONS = ['not here', 'own', 'later', 'open'] as const
export type Reason = (typeof REASONS)[number]

export interface Requirement {
  /** All cells of its row but the last one. */
  readonly text: string
  /** The last cell of its row. */
  readonly answer: string
  readonly proofs: readonly Proof[]
  /** Of a row without a proof, unless it says nothing that is known. */
  readonly reason?: Reason
}

export interface SystemRequirements {
  readonly name: string
  readonly requirements: readonly Requirement[]
}

/** A section a system, in the order of the page. */
export function systemsIn(page: string): readonly SystemRequirements[] {
  const sections = page.split(/^## /m).slice(1)
  return sections.map((section) => ({ name: /^\S+/.exec(section)![0], requirements: requirementsIn(section) }))
}

/** Rows of the section's tables, without their heads. */
function requirementsIn(section: string): readonly Requirement[] {
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && !/^\| (-|topic \|)/.test(line))
  return rows.map((row) => {
    const cells = row.slice(2, -2).split(' | ')
    const answer = cells.at(-1)!
    const proofs = proofsIn(answer)
    const reason = proofs.length > 0 ? undefined : REASONS.find((known) => answer.startsWith(`**${known}**: `))
    return { text: cells.slice(0, -1).join(': '), answer, proofs, ...(reason && { reason }) }
  })
}
