/** Downloads a part with Maven, which knows the user's mirrors and proxies. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { stripVTControlCharacters } from 'node:util'
import { SluiceError } from '@sluice/core'
import { pomOf, totalBytes, type Part, type PartName } from './parts.ts'
import type { OnServerProgress } from './progress.ts'
import { requireMaven } from './required-tool.ts'

const GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
const ERROR_LINES = 5

/**
 * Copies the part's files into the folder.
 *
 * @throws SluiceError SLU-7002 when Maven fails, SLU-7004 when it is missing
 */
export async function downloadWithMaven(name: PartName, part: Part, folder: string, onProgress: OnServerProgress): Promise<void> {
  requireMaven()
  const report = progressOf(name, part, onProgress)
  const args = ['-B', '-f', pomOf(name), GOAL, '-DincludeScope=runtime', `-DoutputDirectory=${folder}`]
  // Its streams are read and not handed on: Maven writes colour codes to whatever it is given.
  const maven = spawn('mvn', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(maven, 'exit')
  const errors: string[] = []
  const keep = (line: string): void => {
    if (errors.length < ERROR_LINES) errors.push(withoutAddresses(line))
  }
  createInterface({ input: maven.stderr }).on('line', (coloured) => {
    const line = stripVTControlCharacters(coloured).trim()
    if (line !== '') keep(line)
  })
  for await (const coloured of createInterface({ input: maven.stdout })) {
    const line = stripVTControlCharacters(coloured)
    if (line.startsWith('[ERROR]')) keep(line)
    const downloaded = /Downloaded from .*\/([^/ ]+) \(/.exec(line)?.[1]
    if (downloaded !== undefined) report(downloaded)
  }
  await exited
  if (maven.exitCode === 0) return
  throw new SluiceError('DOWNLOAD_FAILED', {
    what: `${name} ${part.version} could not be downloaded`,
    why: errors.length === 0 ? `Maven ended with ${maven.exitCode ?? maven.signalCode ?? 'no exit code'}` : errors.join('\n'),
    ways: [`mvn -f ${pomOf(name)} ${GOAL}`, 'check the network, and mirrors and proxies in the settings.xml of Maven'],
  })
}

function progressOf(name: PartName, part: Part, onProgress: OnServerProgress): (fileName: string) => void {
  const sizes = new Map(part.files.map((file) => [file.name, file.bytes]))
  let doneBytes = 0
  const tell = () => {
    onProgress({ kind: 'download', part: `${name} ${part.version}`, doneBytes, totalBytes: totalBytes(part) })
  }
  tell()
  return (fileName) => {
    const bytes = sizes.get(fileName)
    if (bytes === undefined) return
    doneBytes += bytes
    tell()
  }
}

/** Mirrors may carry credentials in their address. */
function withoutAddresses(line: string): string {
  return line.replaceAll(/\w+:\/\/\S+/g, '<address>')
}
