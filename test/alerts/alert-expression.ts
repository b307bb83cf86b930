/**
 * Evaluates the few forms of Prometheus expressions that the rules use, over scrapes as `/metrics` answered them:
 *
 *   metric{label="a",label=~"b"} > 1      a / b > 1      a / ignoring(label) b < 1
 *   increase(metric[5m]) > 0              sum without (label) (a) > 1
 *
 * A rule's `for` is not waited for, and an increase is the difference of two scrapes: as in Prometheus, a counter that the first one
 * lacks shows none. What has another form is refused, so that no rule passes unread.
 */
interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export type Scrape = readonly Sample[]

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
export function parseScrape(text: string): Scrape {
  return text.split('\n').flatMap((line) => {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line)
    return match ? [{ name: match[1]!, labels: labelsOf(match[2] ?? ''), value: Number(match[3]) }] : []
  })
}

function labelsOf(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...text.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]))
}

/** The labels of what the alert fires for. */
export function firing(expression: string, before: Scrape, now: Scrape): readonly Readonly<Record<string, string>>[] {
  const match = /^(.+) (<|>|==) ([\d.]+)$/.exec(expression)
  if (!match) throw new Error(`no comparison with a number: ${expression}`)
  const [, left, operator, limit] = match
  return valuesOf(left!, before, now).flatMap(({ labels, value }) => {
    const holds = operator === '>' ? value > Number(limit) : operator === '<' ? value < Number(limit) : value === Number(limit)
    return holds ? [labels] : []
  })
}

function valuesOf(text: string, before: Scrape, now: Scrape): readonly Sample[] {
  const [dividend, divisor, ...rest] = text.split(' / ')
  if (rest.length > 0) throw new Error(`more than one division: ${text}`)
  const values = termOf(dividend!, before, now)
  if (divisor === undefined) return values
  const [, ignored, right] = /^(?:ignoring\((\w+)\) )?(.+)$/.exec(divisor)!
  const isNumber = ({ value }: Sample): boolean => !Number.isNaN(value)
  return combined(without(ignored, values), without(ignored, termOf(right!, before, now)), (a, b) => a / b).filter(isNumber)
}

function termOf(text: string, before: Scrape, now: Scrape): readonly Sample[] {
  const sum = /^sum without \((\w+)\) \((.+)\)$/.exec(text)
  if (sum) return summed(without(sum[1], termOf(sum[2]!, before, now)))
  const increase = /^increase\((.+)\[\d+m\]\)$/.exec(text)
  if (increase) return combined(selected(increase[1]!, now), selected(increase[1]!, before), (a, b) => a - b)
  return selected(text, now)
}

function without(label: string | undefined, samples: Scrape): Scrape {
  if (label === undefined) return samples
  return samples.map(({ labels, ...sample }) => ({
    ...sample,
    labels: Object.fromEntries(Object.entries(labels).filter(([name]) => name !== label)),
  }))
}

/** One sample for all that have the same labels. */
function summed(samples: Scrape): Scrape {
  const groups = Map.groupBy(samples, ({ labels }) => JSON.stringify(labels))
  return [...groups.values()].map((group) => ({ ...group[0]!, value: group.reduce((sum, { value }) => sum + value, 0) }))
}

/** Samples of both sides with the same labels. */
function combined(left: Scrape, right: Scrape, combine: (a: number, b: number) => number): readonly Sample[] {
  return left.flatMap((sample) => {
    const other = right.find(({ labels }) => JSON.stringify(labels) === JSON.stringify(sample.labels))
    return other === undefined ? [] : [{ ...sample, value: combine(sample.value, other.value) }]
  })
}

function selected(selector: string, scrape: Scrape): Scrape {
  const match = /^([a-z_]+)(?:\{(.+)\})?$/.exec(selector)
  if (!match) throw new Error(`no selector of a metric: ${selector}`)
  const conditions = [...(match[2] ?? '').matchAll(/([a-z_]+)(=~?)"([^"]*)"/g)]
  return scrape.filter(
    ({ name, labels }) =>
      name === match[1] &&
      conditions.every(([, label, operator, wanted]) =>
        operator === '=' ? labels[label!] === wanted : new RegExp(`^(?:${wanted!})$`).test(labels[label!] ?? ''),
      ),
  )
}
