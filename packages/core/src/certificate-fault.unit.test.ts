import { expect, test } from 'vitest'
import { certificateFault } from './certificate-fault.ts'

const tls = (code: string, more: object = {}): Error => Object.assign(new Error('the words of Node'), { code, ...more })

test.each([
  ['CERT_HAS_EXPIRED', 'expired'],
  ['CERT_NOT_YET_VALID', 'not yet valid'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'host'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'authority'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'authority'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'authority'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'authority'],
  ['CERT_REVOKED', 'other'],
])('%s is about: %s', (code, kind) => {
  expect(certificateFault(tls(code))).toMatchObject({ kind, why: expect.stringContaining(`(${code})`) as string })
})

test('the hosts that a certificate is for are told', () => {
  const error = tls('ERR_TLS_CERT_ALTNAME_INVALID', { reason: "Host: a. is not in the cert's altnames: DNS:b" })
  expect(certificateFault(error)?.why).toContain('DNS:b')
})

test('clients wrap it: it is found below', () => {
  expect(certificateFault(new TypeError('fetch failed', { cause: tls('CERT_HAS_EXPIRED') }))).toMatchObject({ kind: 'expired' })
})

test('any other error is none', () => {
  expect([tls('ECONNREFUSED'), new Error('x'), 'text', undefined].map(certificateFault)).toEqual([null, null, null, null])
})
