/**
 * Why a server's certificate was not accepted, told from the error of Node's TLS, wherever a client has wrapped it.
 *
 * https://nodejs.org/docs/latest-v24.x/api/tls.html#x509-certificate-error-codes
 */

export interface CertificateFault {
  /** What is wrong: its time, the host that it is for, who signed it, or anything else that TLS refuses. */
  readonly kind: 'expired' | 'not yet valid' | 'host' | 'authority' | 'other'
  /** With Node's code. */
  readonly why: string
}

const WORDS: Readonly<Record<string, readonly [CertificateFault['kind'], string]>> = {
  CERT_HAS_EXPIRED: ['expired', 'its certificate, or one that signed it, has expired'],
  CERT_NOT_YET_VALID: ['not yet valid', 'its certificate, or one that signed it, is not valid yet, or this clock is slow'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['host', 'its certificate is for another host'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['authority', 'its certificate is signed by itself, and by no authority that is trusted here'],
  SELF_SIGNED_CERT_IN_CHAIN: ['authority', 'its certificate is signed by an authority that is not trusted here'],
  UNABLE_TO_GET_ISSUER_CERT: ['authority', 'its certificate is signed by an authority that is not trusted here'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['authority', 'its certificate is signed by an authority that is not trusted here'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['authority', 'its certificate is signed by an authority that is not trusted here'],
  CERT_UNTRUSTED: ['authority', 'its certificate is signed by an authority that is not trusted here'],
  CERT_SIGNATURE_FAILURE: ['authority', 'the signature of its certificate is not that of the authority'],
  CERT_REVOKED: ['other', 'its certificate was revoked'],
  INVALID_PURPOSE: ['other', 'its certificate is not one for servers'],
  CERT_CHAIN_TOO_LONG: ['other', 'the chain of its certificate is too long'],
}

const CAUSES_MAX = 10

/** Null for every other error. */
export function certificateFault(error: unknown): CertificateFault | null {
  let next = error
  for (let depth = 0; next instanceof Error && depth < CAUSES_MAX; depth += 1) {
    const code = 'code' in next && typeof next.code === 'string' ? next.code : ''
    const words = WORDS[code]
    if (words) return { kind: words[0], why: `${words[0] === 'host' ? hostText(next, words[1]) : words[1]} (${code})` }
    next = next.cause
  }
  return null
}

/** Node says which host was asked for, and which ones the certificate names. */
function hostText(error: Error, text: string): string {
  return 'reason' in error && typeof error.reason === 'string' ? `${text}: ${error.reason.replace(/\.$/, '')}` : text
}
