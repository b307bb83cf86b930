/**
 * Items in order, in parts of bounded bytes and number; an item that is larger alone than a part may be stands alone.
 *
 * @param bytesOf Asked once for each item.
 */
export function* boundedParts<Item>(
  items: Iterable<Item>,
  bytesOf: (item: Item) => number,
  { bytesMax, itemsMax = Infinity }: { readonly bytesMax: number; readonly itemsMax?: number },
): Generator<readonly Item[], undefined> {
  let part: Item[] = []
  let held = 0
  for (const item of items) {
    const bytes = bytesOf(item)
    if (part.length > 0 && (part.length === itemsMax || held + bytes > bytesMax)) {
      yield part
      part = []
      held = 0
    }
    part.push(item)
    held += bytes
  }
  if (part.length > 0) yield part
}
