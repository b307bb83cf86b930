import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { opportunityClass } from './services/ai/opportunity-class.ts'
import system from './with-weaviate.ts'

test('the class has the name and the properties of the document', async () => {
  expect(system.services.ai.sinks).toEqual([opportunityClass])
  const structure: unknown = JSON.parse(await readFile(opportunityClass.structure, 'utf8'))
  const text = (name: string): unknown => expect.objectContaining({ name, dataType: ['text'] })
  expect(structure).toMatchObject({
    class: 'Opportunity',
    properties: [
      text('title'),
      text('description'),
      text('agency'),
      text('naicsCode'),
      { name: 'requirements', dataType: ['text[]'] },
      { name: opportunityClass.embeddingVersion, dataType: ['int'] },
    ],
  })
})
