/** For `sort` and merges: below zero where `one` comes first. Texts by their UTF-16 units, which for ids is the order of their bytes. */
export function ascending<Value extends bigint | string>(one: Value, other: Value): number {
  return one < other ? -1 : one > other ? 1 : 0
}
