/** A small system with every kind of table that the kit knows. */
import { bigint, boolean, defineSystem, integer, mapTable, table, text, timestamptz, topic, uuid } from '@sluice/system'
import { distinct, instant, optional, sampleTable, sentence, systemDemo } from '../src/index.ts'

export const CLINIC_SQL = `
  CREATE TABLE clinics (id uuid PRIMARY KEY, name text NOT NULL UNIQUE);
  CREATE TABLE wards (code text PRIMARY KEY, beds integer NOT NULL);
  -- A row for each ward of each clinic at most.
  CREATE TABLE clinic_wards (
    clinic_id uuid REFERENCES clinics, ward text REFERENCES wards, is_open boolean NOT NULL, PRIMARY KEY (clinic_id, ward));
  CREATE TABLE patients (
    id bigint PRIMARY KEY, clinic_id uuid NOT NULL, ward text, note text NOT NULL, born_at timestamptz NOT NULL,
    FOREIGN KEY (clinic_id, ward) REFERENCES clinic_wards);
  -- Each patient has one at most.
  CREATE TABLE insurances (id uuid PRIMARY KEY, patient_id bigint NOT NULL UNIQUE REFERENCES patients ON DELETE CASCADE, number text NOT NULL);
  CREATE TABLE visits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, patient_id bigint REFERENCES patients ON DELETE SET NULL, at timestamptz NOT NULL);
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a visit stays'; END $$;
  CREATE TRIGGER visits_stay BEFORE UPDATE OF at OR DELETE ON visits FOR EACH ROW EXECUTE FUNCTION refuse()`

const t = {
  clinics: table('clinics', {
    aggregate: 'Clinic',
    key: ['id'],
    topic: topic('c.clinics'),
    columns: { id: uuid(), name: text() },
  }),
  wards: table('wards', {
    aggregate: 'Ward',
    key: ['code'],
    topic: topic('c.wards'),
    columns: { code: text(), beds: integer() },
  }),
  clinicWards: table('clinic_wards', {
    aggregate: 'ClinicWard',
    key: ['clinic_id', 'ward'],
    topic: topic('c.clinic_wards'),
    columns: { clinic_id: uuid(), ward: text(), is_open: boolean() },
  }),
  patients: table('patients', {
    aggregate: 'Patient',
    key: ['id'],
    topic: topic('c.patients'),
    columns: { id: bigint(), clinic_id: uuid(), ward: text().nullable(), note: text(), born_at: timestamptz() },
  }),
  insurances: table('insurances', {
    aggregate: 'Insurance',
    key: ['id'],
    topic: topic('c.insurances'),
    columns: { id: uuid(), patient_id: bigint(), number: text() },
  }),
  visits: table('visits', {
    aggregate: 'Visit',
    key: ['id'],
    topic: topic('c.visits'),
    columns: { id: bigint(), patient_id: bigint().nullable(), at: timestamptz() },
  }),
}

export const clinicSystem = defineSystem({
  name: 'clinic',
  title: 'Clinic',
  avroSchemas: new URL('./avro/', import.meta.url),
  monolith: { tables: Object.values(t) },
  services: { wards: { migrations: new URL('./', import.meta.url), projections: [mapTable(t.wards, { into: 'wards' })] } },
})

const clinics = sampleTable(t.clinics, {
  share: 1,
  row: (_random, n) => ({ name: `Clinic ${n}` }),
  change: (random) => ({ name: `Clinic ${random.uuid()}` }),
  isNeverDeleted: true,
})
const wards = sampleTable(t.wards, {
  share: 1,
  row: (random, n) => ({ code: `W${n}`, beds: random.between(1, 30) }),
  change: (random) => ({ beds: random.between(1, 30) }),
})
const clinicWards = sampleTable(t.clinicWards, {
  share: 3,
  parents: { clinic: distinct(clinics), ward: distinct(wards) },
  row: (random, _n, { clinic, ward }) => ({ clinic_id: clinic.id, ward: ward.code, is_open: random.chance(0.5) }),
  change: (random) => ({ is_open: random.chance(0.5) }),
})
const patients = sampleTable(t.patients, {
  share: 10,
  parents: { place: clinicWards },
  row: (random, n, { place }) => ({
    id: n + 1,
    clinic_id: place.clinic_id,
    ward: place.ward,
    note: sentence(random, 2, 8),
    born_at: instant(random),
  }),
  change: (random) => ({ note: sentence(random, 2, 8) }),
})
const insurances = sampleTable(t.insurances, {
  share: 8,
  parents: { patient: distinct(patients) },
  row: (_random, n, { patient }) => ({ patient_id: patient.id, number: `I-${n}` }),
  change: (random) => ({ number: `I-${random.uuid()}` }),
})
const visits = sampleTable(t.visits, {
  share: 20,
  parents: { patient: optional(patients, 0.1) },
  row: (random, _n, { patient }) => ({ patient_id: patient?.id ?? null, at: instant(random) }),
  isInsertOnly: true,
})

/** Every patient is insured for ever, so that no patient of the sample can be deleted. */
export const insuredForEver = sampleTable(t.insurances, {
  share: 10,
  parents: { patient: distinct(patients) },
  row: (_random, n, { patient }) => ({ patient_id: patient.id, number: `I-${n}` }),
  isInsertOnly: true,
})
export const patientsFirst = [clinics, wards, clinicWards, patients]

/** Children first, to show that the kit puts them in order. */
export const clinicDemo = systemDemo({
  system: clinicSystem,
  tables: [visits, insurances, patients, clinicWards, wards, clinics],
})
