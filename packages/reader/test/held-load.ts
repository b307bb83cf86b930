/** A load that stands still between two of its chunks until it is let go, however slow or quick the servers are. */
import type pg from 'pg'

const LOCK = 4711

export interface HeldLoad {
  /** Resolves when the next chunk waits to be stored. */
  stands(): Promise<void>
  letGo(): Promise<void>
}

/**
 * @param store Has stored no chunk yet.
 * @param chunks So many are stored before it stands.
 */
export async function holdLoad(store: pg.Client, chunks: number): Promise<HeldLoad> {
  await store.query('SELECT pg_advisory_lock($1)', [LOCK])
  await store.query(`
    CREATE FUNCTION wait_to_be_let_go() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_advisory_xact_lock_shared(${LOCK}); RETURN NEW;
    END $$;
    CREATE TRIGGER held BEFORE INSERT ON migration_checkpoints FOR EACH ROW WHEN (NEW.id > ${chunks})
      EXECUTE FUNCTION wait_to_be_let_go()`)
  return {
    stands: async () => {
      for (;;) {
        const { rowCount } = await store.query(
          `SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
           WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objid = $1 AND NOT l.granted`,
          [LOCK],
        )
        if (rowCount === 1) return
      }
    },
    letGo: async () => {
      await store.query('SELECT pg_advisory_unlock($1)', [LOCK])
    },
  }
}
