/** A name as ClickHouse reads it between backticks. */
export function quoted(name: string): string {
  return `\`${name.replaceAll(/[\\`]/g, '\\$&')}\``
}
