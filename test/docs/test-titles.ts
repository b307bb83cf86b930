/** What a page names as proof, and the titles that a file of tests has. */
import ts from 'typescript'

export interface Proof {
  /** Relative to the page. */
  readonly path: string
  readonly title: string
}

/** `[name](path) “title”` */
export function proofsIn(text: string): readonly Proof[] {
  return [...text.matchAll(/\[[^\]]+\]\(([^)]+)\) “([^”]*)”/g)].map(([, path, title]) => ({ path: path!, title: title! }))
}

/** Titles of the tests of a file that run; what is put into a template is "…". */
export function titlesOf(source: string): readonly string[] {
  const titles: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const names = namesOf(node.expression)
      if (names.includes('skip') || names.includes('todo')) return
      const title = node.arguments[0]
      if ((names[0] === 'test' || names[0] === 'it') && title) titles.push(...textOf(title))
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('tests.ts', source, ts.ScriptTarget.Latest))
  return titles
}

/** Of `test.each(cases)('…')` the names `test` and `each`. */
function namesOf(callee: ts.Expression): readonly string[] {
  if (ts.isIdentifier(callee)) return [callee.text]
  if (ts.isPropertyAccessExpression(callee)) return [...namesOf(callee.expression), callee.name.text]
  if (ts.isCallExpression(callee)) return namesOf(callee.expression)
  return []
}

function textOf(title: ts.Expression): readonly string[] {
  if (ts.isStringLiteralLike(title)) return [title.text]
  if (!ts.isTemplateExpression(title)) return []
  return [title.templateSpans.reduce((text, span) => `${text}…${span.literal.text}`, title.head.text)]
}
