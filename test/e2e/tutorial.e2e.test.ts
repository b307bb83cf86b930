/** The README's tutorial, command by command, as its reader types it. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

test('every command of the tutorial passes, and shows what the text says', async () => {
  const script = await tutorialScript()
  expect(script).toContain('npx sluice verify')
  // State of `sluice dev` goes into a folder of this test, so that a developer's own servers are left alone.
  const state = await mkdtemp(path.join(tmpdir(), 'sluice-tutorial-'))
  try {
    const { code, output } = await run(script, { XDG_STATE_HOME: state, NO_COLOR: '1' })
    expect(code, output).toBe(0)
    expect(output).toContain('my-first-order')
    expect(output).toMatch(/OrderCreated/)
  } finally {
    await rm(state, { recursive: true, force: true })
  }
})

async function tutorialScript(): Promise<string> {
  const readme = await readFile(path.join(ROOT, 'README.md'), 'utf8')
  const blocks = [...readme.matchAll(/^```sh tutorial\n([\s\S]*?)^```/gm)].map((match) => match[1])
  return blocks.join('\n')
}

/** `set -m` gives jobs their numbers, as an interactive shell does; what still runs at the end is stopped in any case. */
async function run(script: string, env: Readonly<Record<string, string>>): Promise<{ code: number | null; output: string }> {
  const cleanUp = `trap 'kill %1 2>/dev/null || true; npx sluice dev down --yes >/dev/null 2>&1 || true' EXIT`
  const child = spawn('bash', ['-c', `set -emo pipefail\n${cleanUp}\n${script}`], { cwd: ROOT, env: { ...process.env, ...env } })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, output: output.slice(-20_000) }
}
