/** Records that have one value for each service's name. */

/** The keys of an object literal, which has no others than its type says. */
export function namesOf<Name extends string>(services: Readonly<Record<Name, unknown>>): readonly Name[] {
  return Object.keys(services).filter((name): name is Name => Object.hasOwn(services, name))
}

export function hasAll<Name extends string, Value>(
  values: Partial<Record<Name, Value>>,
  names: readonly Name[],
): values is Record<Name, Value> {
  return names.every((name) => values[name] !== undefined)
}
