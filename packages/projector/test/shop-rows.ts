/** Rows of the test shop as PostgreSQL's text. */
type Row = Record<string, string | null>

export function customer(id: string, more: Row = {}): Row {
  return { id, email: `${id.slice(0, 8)}@example.org`, name: 'Ada Łovelace "\\', bio: 'a long story', tier: 'basic', ...more }
}

export function order(id: string, customerId: string | null, more: Row = {}): Row {
  return { id, customer_id: customerId, amount: '12.50', tags: '{a,"b c",NULL}', data: '{"x": [1, null]}', ...more }
}
