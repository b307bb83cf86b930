/** Puts sealed values in the place of unsealed tokens, many texts at a time: one question to the database for all their subjects. */
import type { ClientBase } from 'pg'
import { TOKEN_MARK } from './column-capture.ts'
import { erasedValue, sealValue } from './sealed-value.ts'
import type { SubjectKeys } from './subject-keys.ts'
import { subjectIdOf, subjectText } from './subject.ts'
import type { SystemKeys } from './system-secret.ts'

/** Parts of a text between two marks: JSON, then place, kind, subject and value of a token, then JSON again. */
const PARTS_OF_TOKEN = 5

export function hasTokens(text: string): boolean {
  return text.includes(TOKEN_MARK)
}

/** @returns the texts with every token sealed, or marked as erased where the subject is */
export async function sealTexts(
  client: ClientBase,
  system: SystemKeys,
  keys: SubjectKeys,
  texts: readonly string[],
): Promise<readonly string[]> {
  const ids = new Map<string, string>()
  const split = texts.map((text) => text.split(TOKEN_MARK))
  for (const parts of split) {
    for (let at = 1; at < parts.length; at += PARTS_OF_TOKEN) {
      const [kind, subject] = [parts[at + 1]!, parts[at + 2]!]
      const name = subjectText(kind, subject)
      if (!ids.has(name)) ids.set(name, subjectIdOf(system, kind, subject))
    }
  }
  if (ids.size === 0) return texts
  const found = await keys.getOrMake(client, [...new Set(ids.values())])
  return split.map((parts) => {
    let text = parts[0]!
    for (let at = 1; at < parts.length; at += PARTS_OF_TOKEN) {
      const id = ids.get(subjectText(parts[at + 1]!, parts[at + 2]!))!
      const key = found.get(id) ?? null
      const captured = key === null ? erasedValue(id) : sealValue(key, id, parts[at]!, parts[at + 3]!)
      // Neither form has a character that JSON escapes.
      text += `"${captured}"${parts[at + 4]!}`
    }
    return text
  })
}
