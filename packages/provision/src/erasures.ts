/** A database that was restored from an older copy gets the erasures that the others remember, before anything is run on it. */
import { type ErasurePlaces, type MasterKeys, applyRecordedErasures, subjectKinds } from '@sluice/privacy'
import type { ProvisionStep } from './step.ts'

/** Nothing where no column is encrypted, or without master keys: who needs those says so when it starts. */
export async function erasureSteps(
  places: Omit<ErasurePlaces, 'master'>,
  master: MasterKeys | null,
): Promise<readonly ProvisionStep[]> {
  if (!master || subjectKinds(places.system).size === 0) return []
  const applied = await applyRecordedErasures({ ...places, master }, 'sluice provision')
  const step = { place: 'privacy', what: 'recorded erasures' } as const
  if (applied.length === 0) return [{ ...step, outcome: 'present', detail: 'every database has them' }]
  return applied.map(({ place, subjects }) => ({ ...step, place, outcome: 'done' as const, detail: `${subjects} subjects` }))
}
