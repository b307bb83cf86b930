/** Writes docs/reference/errors.md. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { errorReference } from './error-reference.ts'

const folder = new URL('../../../docs/reference/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('errors.md', folder), errorReference())
