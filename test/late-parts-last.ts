/**
 * Order of test files: Vitest's own, but in each project those that start Weaviate come last. Where it is not there yet, its build goes
 * on beside the tests (infra/src/get-parts-ahead.ts), and they would wait for it.
 */
import { readFile } from 'node:fs/promises'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

export class LatePartsLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLate = await Promise.all(
      sorted.map(async ({ moduleId }) => (await readFile(moduleId, 'utf8')).includes('startWeaviate(')),
    )
    const late = new Set(sorted.filter((_, i) => isLate[i]))
    // A project runs as a whole: none is mixed with another.
    const projects = [...new Set(sorted.map(({ project }) => project.name))]
    const place = (file: TestSpecification): number => 2 * projects.indexOf(file.project.name) + Number(late.has(file))
    return sorted.toSorted((a, b) => place(a) - place(b))
  }
}
