/** How a store gives the values of a column back. What was written as one text may come back as another one of the same form. */

/**
 *   text     as it was written
 *   number   an exact number; zeros that say nothing are not kept
 *   double   the nearest double
 *   time     a time in UTC; zeros at the end of its fraction, and the zone, are not kept
 *   boolean
 */
export type ValueForm = 'text' | 'number' | 'double' | 'time' | 'boolean'

/** Bytes of UTF-8 from which on a table of events gives a text by its digest, so that rows that are compared are bounded. */
export const DIGESTED_BYTES = 64

/** Before the digest of a long text, SHA-256 of its UTF-8 in lower-case hex. */
export const DIGEST_PREFIX = 'sha256:'
