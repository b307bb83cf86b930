/** Walks two ordered lists side by side, holding one item of each. */

/** What the lists have under one key. Null: that list does not have it, or has it less often. */
export type Pair<Expected, Actual> =
  | { readonly expected: Expected; readonly actual: Actual }
  | { readonly expected: Expected; readonly actual: null }
  | { readonly expected: null; readonly actual: Actual }

/**
 * Items that `compare` finds equal are one pair, so that what one list has more often is left over.
 *
 * @param compare Below zero where the expected item comes first; both lists are in this order.
 */
export async function* mergeOrdered<Expected, Actual>(
  expected: AsyncIterator<Expected, unknown>,
  actual: AsyncIterator<Actual, unknown>,
  compare: (expected: Expected, actual: Actual) => number,
): AsyncGenerator<Pair<Expected, Actual>, undefined> {
  let left = await expected.next()
  let right = await actual.next()
  while (left.done !== true || right.done !== true) {
    const order = left.done === true ? 1 : right.done === true ? -1 : compare(left.value, right.value)
    if (order === 0 && left.done !== true && right.done !== true) yield { expected: left.value, actual: right.value }
    else if (order < 0 && left.done !== true) yield { expected: left.value, actual: null }
    else if (order > 0 && right.done !== true) yield { expected: null, actual: right.value }
    if (order <= 0) left = await expected.next()
    if (order >= 0) right = await actual.next()
  }
}
