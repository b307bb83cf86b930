import { SluiceError } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { type LogLevel, createLogger } from './logger.ts'
import { prettyLine } from './pretty-stream.ts'

function capture(level: LogLevel = 'info') {
  const lines: string[] = []
  const logger = createLogger({ role: 'relay', level, pretty: false, destination: { write: (l) => void lines.push(l) } })
  return { logger, lines }
}

describe('the log', () => {
  test('is one JSON object a line, with role and child fields', () => {
    const { logger, lines } = capture()
    logger.child({ lane: 'monolith' }).info({ position: '7' }, 'published')
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 'info',
      role: 'relay',
      lane: 'monolith',
      position: '7',
      message: 'published',
    })
  })

  test('has what its level lets through', () => {
    const counts = (['debug', 'info', 'silent'] as const).map((level) => {
      const { logger, lines } = capture(level)
      logger.debug({}, 'how')
      logger.info({}, 'what')
      return lines.length
    })
    expect(counts).toEqual([2, 1, 0])
  })

  test('cuts secrets out, also nested ones', () => {
    const { logger, lines } = capture()
    logger.warn({ url: 'postgresql://u:hush@h/d', target: { config: { password: 'hush' } }, sasl: { x: 'hush' } }, 'connecting')
    expect(lines.join('')).not.toContain('hush')
  })

  test('names an error, and never shows what PostgreSQL says of a row', () => {
    const { logger, lines } = capture()
    const refused = Object.assign(new Error('duplicate key value: (email)=(ann@example.org)'), {
      code: '23505',
      detail: 'Key (email)=(ann@example.org) already exists.',
    })
    logger.error(
      { error: new SluiceError('EVENT_PARKED', { what: 'w', why: 'SQLSTATE 23505', ways: [], cause: refused }) },
      'refused',
    )
    logger.error({ err: refused }, 'refused')
    expect(lines.join('')).not.toContain('ann@example.org')
    expect(JSON.parse(lines[0]!)).toMatchObject({ error: { code: 'SLU-5020', cause: { code: '23505' } } })
  })

  test('for people shows time, level, role, message and fields', () => {
    const line = prettyLine('{"level":"info","time":"2026-11-21T06:00:01.000Z","role":"relay","lane":"monolith","message":"up"}')
    expect(line).toContain('06:00:01')
    expect(line).toContain('lane=monolith')
    expect(prettyLine('not json')).toBe('not json')
  })
})
