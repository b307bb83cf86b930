/**
 * The `outbox` table and the SQL function `sluice_context`, as a migration of their own: given to `migrate` of
 * `@sluice/postgres` by `provision`, or applied by any tool that runs the files of the folder in order.
 */
export const outboxMigration = {
  folder: new URL('../migrations/', import.meta.url),
  /** Table in `public` that remembers what was applied. */
  table: 'sluice_outbox_migrations',
} as const
