/** Which build of PostgreSQL a local server is: by version, or by an extension that only one build has. */
import { SluiceError } from '@sluice/core'
import { type PostgresMajor, VERSIONS } from './server-settings.ts'

export interface PostgresBuild {
  readonly major: PostgresMajor
  /** True for the build that has pgvector, and neither ICU nor contrib. */
  readonly hasVector: boolean
}

/** Version of the one build that has pgvector. */
const VECTOR_MAJOR: PostgresMajor = '16'

/**
 * The build that has these extensions. Those of contrib are in every build but the one with pgvector.
 *
 * @throws SluiceError SLU-7004 when no build has them all, or not in the version that is asked for
 */
export function buildFor(major: PostgresMajor | undefined, extensions: readonly string[] = []): PostgresBuild {
  if (!extensions.includes('vector')) return { major: major ?? VERSIONS.postgres, hasVector: false }
  const others = extensions.filter((name) => name !== 'vector' && name !== 'plpgsql')
  if (others.length === 0 && (major ?? VECTOR_MAJOR) === VECTOR_MAJOR) return { major: VECTOR_MAJOR, hasVector: true }
  const asked = others.length === 0 ? `PostgreSQL ${major}` : others.join(', ')
  throw new SluiceError('TOOL_MISSING', {
    what: 'no local PostgreSQL has these extensions together',
    why: `pgvector comes with PostgreSQL ${VECTOR_MAJOR} without contrib, and ${asked} is asked for as well`,
    ways: ['set SLUICE_TEST_MONOLITH_URL, SLUICE_TEST_PIPELINE_URL and SLUICE_TEST_SERVICES_URL to servers that have them'],
  })
}
