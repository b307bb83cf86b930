import { expect, test } from 'vitest'
import { downloadFailed } from './download-error.ts'

test('what a program printed is told without the addresses in it', () => {
  const error = Object.assign(new Error('npm ended with 1'), { stderr: 'GET https://user:secret@registry.example/x - 403\n' })
  expect(downloadFailed('x could not be downloaded', error, ['npm pack x']).why).toBe('GET <address> - 403')
})
