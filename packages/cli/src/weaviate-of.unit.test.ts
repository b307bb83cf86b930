import { bigint, table, text, topic, weaviateObjects } from '@sluice/system'
import { expect, test } from 'vitest'
import { weaviateOf } from './weaviate-of.ts'

const notices = table('notices', {
  aggregate: 'Notice',
  key: ['id'],
  topic: topic('test.notices'),
  columns: { id: bigint(), title: text() },
})
const notice = weaviateObjects(notices, {
  into: 'Notice',
  structure: new URL('file:///notice.json'),
  columns: (c) => ({ title: c.title }),
  embedded: ['title'],
})
const URL_OF_SERVER = 'https://weaviate.example.org'

async function opened(environment: Record<string, string>, url = URL_OF_SERVER): Promise<string> {
  const sink = weaviateOf(environment, 'ai', url, [notice])()
  await sink.close()
  return sink.display
}

test('a class needs a server and an embedder; the one without meaning is named', async () => {
  await expect(opened({})).rejects.toThrow(/SLU-1002 .*no SLUICE_AI_EMBEDDER_URL/)
  expect(await opened({ SLUICE_AI_EMBEDDER_URL: 'deterministic' })).toBe('weaviate at https://weaviate.example.org')
  const endpoint = { SLUICE_AI_EMBEDDER_URL: 'https://models.example.org/v1/embeddings' }
  await expect(opened(endpoint)).rejects.toThrow(/SLUICE_AI_EMBEDDER_MODEL/)
  await expect(opened({ ...endpoint, SLUICE_AI_EMBEDDER_MODEL: 'm' })).rejects.toThrow(/SLUICE_AI_EMBEDDER_DIMENSIONS/)
  const whole = { ...endpoint, SLUICE_AI_EMBEDDER_MODEL: 'm', SLUICE_AI_EMBEDDER_DIMENSIONS: '384' }
  expect(await opened(whole)).toContain('weaviate at')
  await expect(opened({ ...whole, SLUICE_AI_EMBEDDER_VERSION: 'two' })).rejects.toThrow(/SLU-1003 .*it is "two"/)
})

test('a secret in an address is refused, and not told', async () => {
  const error: unknown = await opened({ SLUICE_AI_EMBEDDER_URL: 'deterministic' }, 'https://me:hunter2@weaviate').catch(
    (e: unknown) => e,
  )
  expect(String(error)).toMatch(/SLU-1003 SLUICE_AI_WEAVIATE_URL can not be used/)
  expect(String(error)).not.toContain('hunter2')
})
