/** A text as one word of a POSIX shell, for commands that people paste. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
