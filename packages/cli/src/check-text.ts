/** Checks as people read them: one line each, what to do below those that are not ok. */
import type { HealthCheck } from '@sluice/core'
import { labelled } from './error-text.ts'
import type { Style } from './glyphs.ts'

/** Longer names push their own summary aside, and no other. */
const NAME_WIDTH_MAX = 44

export function checkText(checks: readonly HealthCheck[], style: Style): string {
  const nameWidth = Math.min(NAME_WIDTH_MAX, Math.max(0, ...checks.map((check) => check.name.length)))
  return checks.map((check) => oneCheck(check, nameWidth, style)).join('\n')
}

function oneCheck(check: HealthCheck, nameWidth: number, style: Style): string {
  const lines = [`${glyph(check, style)}  ${check.name.padEnd(nameWidth)}  ${check.summary}`]
  if (check.status === 'ok' || check.status === 'skipped') return lines.join('')
  if (check.cause !== undefined) lines.push(labelled('why', check.cause, style))
  check.fix?.forEach((fix, i) => lines.push(labelled(i === 0 ? 'try' : 'or', fix, style)))
  if (check.code !== undefined) lines.push(labelled('more', `sluice explain ${check.code}`, style))
  return lines.join('\n')
}

function glyph(check: HealthCheck, style: Style): string {
  switch (check.status) {
    case 'ok':
      return style.ok.padEnd(2)
    case 'warning':
      return style.paint('attention', style.warning.padEnd(2))
    case 'failed':
      return style.paint('broken', style.failed.padEnd(2))
    case 'skipped':
      return style.dot.padEnd(2)
  }
}
