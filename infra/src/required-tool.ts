/** Programs that must be on the path: Java and Maven. */
import { execFileSync } from 'node:child_process'
import { SluiceError } from '@sluice/core'

const JAVA_VERSION_MIN = 17

/** @throws SluiceError SLU-7004 when `java` is missing or older than 17 */
export function requireJava(): void {
  // `java -version` prints to stderr; the settings printed here are for programs.
  const text = outputOf(
    'java',
    ['-XshowSettings:properties', '-version'],
    'install a Java runtime, 17 or newer (Debian: apt-get install openjdk-17-jre-headless)',
  )
  const version = Number(/java\.specification\.version = (?:1\.)?(\d+)/.exec(text)?.[1])
  if (version >= JAVA_VERSION_MIN) return
  throw new SluiceError('TOOL_MISSING', {
    what: 'Kafka and the schema registry need a newer Java',
    why: `java on the path has version ${version}, ${JAVA_VERSION_MIN} is the oldest that works`,
    ways: ['install a Java runtime, 17 or newer (Debian: apt-get install openjdk-17-jre-headless)'],
  })
}

/** @throws SluiceError SLU-7004 when `mvn` is missing */
export function requireMaven(): void {
  outputOf('mvn', ['--version'], 'install Maven (Debian: apt-get install maven)')
}

/** @throws SluiceError SLU-7004 when `tar` is missing */
export function requireTar(): void {
  outputOf('tar', ['--version'], 'install tar (Debian: apt-get install tar)')
}

function outputOf(program: string, args: readonly string[], way: string): string {
  try {
    return execFileSync('sh', ['-c', '"$0" "$@" 2>&1', program, ...args], { encoding: 'utf8' })
  } catch (error) {
    throw new SluiceError('TOOL_MISSING', {
      what: `the program ${program} is needed to run local servers`,
      why: 'it is not on the path, or does not run',
      ways: [way, 'set SLUICE_TEST_KAFKA_BROKERS and SLUICE_TEST_REGISTRY_URL to servers of your own'],
      cause: error,
    })
  }
}
