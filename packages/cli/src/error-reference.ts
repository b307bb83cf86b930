/** The reference page of the error codes, made from the table in core. */
import { ERROR_CODES, type ErrorCode } from '@sluice/core'

export const EXIT_MEANING: Readonly<Record<ErrorCode['exit'], string>> = {
  1: 'an unexpected fault',
  2: 'usage or configuration',
  3: 'the environment',
  4: 'the verdict is no',
  5: 'refused until confirmed',
}

export const RETRY_MEANING: Readonly<Record<ErrorCode['retry'], string>> = {
  never:
    'The engine (reader, relay or projector) stops with it, its position stays where it is, and others in the process go on.',
  backoff: 'A running process tries again with growing delays.',
  restart: 'A running process closes what it holds and begins again from its stored position.',
}

const GROUPS: Readonly<Record<string, string>> = {
  'SLU-1': 'How a command was called, the configuration, the system definition',
  'SLU-2': 'A source database and its slot',
  'SLU-3': 'The pipeline database',
  'SLU-4': 'Kafka, the schema registry, the relay',
  'SLU-5': 'A service database and its projector',
  'SLU-6': 'Verification',
  'SLU-7': 'The machine: servers that Sluice starts, preflight, health of processes, backups',
  'SLU-8': 'Privacy: keys of private columns, and erased subjects',
  'SLU-9': 'An application and its service databases',
}

/** Markdown text of `docs/reference/errors.md`. */
export function errorReference(): string {
  const codes = Object.entries(ERROR_CODES)
  const groups = Object.entries(GROUPS).flatMap(([prefix, title]) => [
    '',
    `## ${prefix}xxx: ${title}`,
    '',
    '| code | name | exit | a running process | when |',
    '| --- | --- | --- | --- | --- |',
    ...codes.flatMap(([name, code]) =>
      code.number.startsWith(prefix)
        ? [`| ${code.number} | \`${name}\` | ${code.exit} | ${code.retry} | ${code.meaning.replaceAll('|', '\\|')} |`]
        : [],
    ),
  ])
  return `${[
    '# Error codes',
    '',
    'Every fault that Sluice knows has a code. `sluice explain <code>` prints its entry. This page is made from the table in',
    '`packages/core` by `node packages/cli/src/write-error-reference.ts`; a test holds the two equal.',
    '',
    `Exit codes: 0 done, ${Object.entries(EXIT_MEANING)
      .map(([code, meaning]) => `${code} ${meaning}`)
      .join(', ')}, 130 or 143 ended by a signal.`,
    '',
    ...Object.entries(RETRY_MEANING).map(([retry, meaning]) => `- \`${retry}\`: ${meaning}`),
    ...groups,
  ].join('\n')}\n`
}
