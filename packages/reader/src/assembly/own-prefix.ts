/** Prefix of the logical messages that Sluice itself writes; all others are not its business. */
export const OWN_PREFIX = 'sluice.'
