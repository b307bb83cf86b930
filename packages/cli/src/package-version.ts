import { readFileSync } from 'node:fs'

/** Version of this package, which `sluice --version` and the metric `sluice_build_info` tell. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const json: unknown = JSON.parse(text)
  return typeof json === 'object' && json !== null && 'version' in json ? String(json.version) : '0.0.0'
}
