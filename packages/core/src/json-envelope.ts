/**
 * The one JSON envelope of every `--json` output. 64-bit numbers travel as strings.
 */
import type { SerializedError } from './errors.ts'

export interface JsonEnvelope {
  readonly v: 1
  readonly command: string
  readonly ok: boolean
  readonly summary: string
  readonly result: unknown
  readonly error: SerializedError | null
  readonly nextSteps: readonly string[]
}

/** JSON text of any value, with 64-bit numbers as strings. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, field: unknown) => (typeof field === 'bigint' ? field.toString() : field), indent)
}
