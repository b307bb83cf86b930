/** The tenant that the running code works for. It flows by itself over awaits (AsyncLocalStorage); nobody hands it on by hand. */
import { AsyncLocalStorage } from 'node:async_hooks'

const storage = new AsyncLocalStorage<string>()

/** The setting that row security policies compare with: `current_setting('app.current_tenant_id', true)`. */
export const TENANT_SETTING = 'app.current_tenant_id'

/**
 * Every unit of work that begins inside runs for this tenant: its transaction has `app.current_tenant_id`, and no other has.
 *
 * @throws RangeError if the id is empty, which a policy could not tell from none
 */
export function runAsTenant<T>(tenantId: string, work: () => T): T {
  if (tenantId === '') throw new RangeError('a tenant id must not be empty')
  return storage.run(tenantId, work)
}

/** Undefined outside of `runAsTenant`. */
export function currentTenant(): string | undefined {
  return storage.getStore()
}
