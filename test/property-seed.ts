/**
 * Vitest's setup file of every level: the seed that is given by `SLUICE_TEST_SEED` is that of all properties, too. One that failed
 * prints its seed, and draws the same values again with it. Without a seed each draws its own; nothing is printed while they hold.
 */
const given = process.env['SLUICE_TEST_SEED']
if (given !== undefined) {
  const seed = Number(given)
  if (!Number.isSafeInteger(seed)) throw new TypeError(`SLUICE_TEST_SEED is a whole number, not "${given}"`)
  // Few files have properties: the others are not to load what makes them.
  const { default: fc } = await import('fast-check')
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
}

export {}
