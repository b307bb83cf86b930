/** The statements that docs/operations.md gives for a role, so that a test runs what people are told to run. */
import { readFile } from 'node:fs/promises'

const PAGE = new URL('../../docs/operations.md', import.meta.url)

/**
 * @param role As the page calls it, `shop_relay`.
 * @param names What the page calls something, and what it is called here; a longer name is replaced before one that it begins with.
 * @throws Error if no block of the page, or more than one, makes that role
 */
export async function operationsSql(role: string, names: Readonly<Record<string, string>>): Promise<string> {
  const page = await readFile(PAGE, 'utf8')
  const blocks = [...page.matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(([, block]) => block!)
  const [found, ...others] = blocks.filter((block) => block.includes(`CREATE ROLE ${role} `))
  if (found === undefined || others.length > 0)
    throw new Error(`operations.md makes role ${role} in ${others.length} more blocks`)
  return Object.entries(names)
    .toSorted(([a], [b]) => b.length - a.length)
    .reduce((text, [name, own]) => text.replaceAll(name, own), found)
}
