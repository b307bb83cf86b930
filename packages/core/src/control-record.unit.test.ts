import { expect, test } from 'vitest'
import { parseUuid } from './change-identity.ts'
import { type ControlRecord, formatControlRecord, parseControlRecord } from './control-record.ts'
import { offsetOf } from './offset.ts'
import { laneId, positionNumber } from './position.ts'

const record: ControlRecord = {
  lane: laneId(1),
  laneName: 'monolith',
  epoch: parseUuid('0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
  position: positionNumber(9_007_199_254_740_993n),
  previous: positionNumber(41),
  commitEnd: true,
  link: 12n,
  head: 'ab',
  partitions: [{ topic: 't', partition: 2, end: offsetOf(9_007_199_254_740_995n), events: 3n }],
  clusterId: 'k',
}

test('a control record survives Kafka, with its 64-bit numbers whole', () => {
  expect(parseControlRecord(formatControlRecord(record))).toEqual(record)
})

test.each(['', '{}', '{"lane":1,"partitions":[]}'])('a record that is none is refused: %s', (text) => {
  expect(() => parseControlRecord(text)).toThrow(expect.objectContaining({ code: 'CONTROL_RECORD_INVALID' }) as Error)
})
