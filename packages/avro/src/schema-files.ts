/** The Avro schemas as files in the system's folder, so that a change shows in review and subscribers can take them. */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { SystemDefinition } from '@sluice/system'
import { deriveSchemas } from './event-schema.ts'

const EXTENSION = '.avsc'

/** Writes `<topic>.avsc` for each topic. @returns the paths written */
export async function writeSchemaFiles(system: SystemDefinition): Promise<readonly string[]> {
  await mkdir(system.avroSchemas, { recursive: true })
  const files = wantedFiles(system)
  for (const [name, text] of files) await writeFile(new URL(name, system.avroSchemas), text)
  return [...files.keys()].map((name) => fileURLToPath(new URL(name, system.avroSchemas)))
}

/** @returns one line for each file that is not what the definition gives; none if all are */
export async function checkSchemaFiles(system: SystemDefinition): Promise<readonly string[]> {
  const wanted = wantedFiles(system)
  const present = await presentFiles(system.avroSchemas)
  const differences: string[] = []
  for (const [name, text] of wanted) {
    if (!present.has(name)) differences.push(`${name} is missing`)
    else if ((await readFile(new URL(name, system.avroSchemas), 'utf8')) !== text) differences.push(`${name} differs`)
  }
  for (const name of present) if (!wanted.has(name)) differences.push(`${name} belongs to no topic`)
  return differences
}

function wantedFiles(system: SystemDefinition): ReadonlyMap<string, string> {
  return new Map(
    deriveSchemas(system).map(({ topic, schema }) => [`${topic}${EXTENSION}`, `${JSON.stringify(schema, null, 2)}\n`]),
  )
}

async function presentFiles(folder: URL): Promise<ReadonlySet<string>> {
  try {
    return new Set((await readdir(folder)).filter((name) => name.endsWith(EXTENSION)))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Set()
    throw error
  }
}
