/** A program that hands on what it reads, so many bytes a second: a pace that any machine holds, whatever the machine does between. */
import { setTimeout as delay } from 'node:timers/promises'
import { once } from 'node:events'

const bytesPerSecond = Number(process.argv[2])
let [begunAt, passed] = [0, 0]
for await (const piece of process.stdin as AsyncIterable<Buffer>) {
  if (passed === 0) begunAt = performance.now()
  if (!process.stdout.write(piece)) await once(process.stdout, 'drain')
  passed += piece.length
  const aheadMs = (passed / bytesPerSecond) * 1000 - (performance.now() - begunAt)
  if (aheadMs > 0) await delay(aheadMs)
}
