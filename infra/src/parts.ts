/** What is downloaded, pinned by version and sha256 in `parts.lock.json`. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const partSchema = z.object({
  version: z.string(),
  files: z.array(z.object({ name: z.string(), bytes: z.int().positive(), sha256: z.string().length(64) })).min(1),
})

export type Part = z.infer<typeof partSchema>
export type PartName = 'kafka' | 'registry'

/** The pinned part: every file that it consists of. */
export function pinnedPart(name: PartName): Part {
  const lock = z.record(z.enum(['kafka', 'registry']), partSchema)
  return lock.parse(JSON.parse(readFileSync(new URL('../parts.lock.json', import.meta.url), 'utf8')))[name]
}

/** The Maven project that resolves to the part's files. */
export function pomOf(name: PartName): string {
  return fileURLToPath(new URL(`../${name}/pom.xml`, import.meta.url))
}

export function totalBytes(part: Part): number {
  return part.files.reduce((sum, file) => sum + file.bytes, 0)
}
