/**
 * The document's class of Weaviate: an object an opportunity, found by what its title and description mean. `string`, which Weaviate
 * no longer has, is `text` that is one token; the vectorizer is Sluice's embedder.
 */
import { weaviateObjects } from '@sluice/system'
import { opportunities } from '../../tables.ts'

export const opportunityClass = weaviateObjects(opportunities, {
  into: 'Opportunity',
  structure: new URL('./weaviate/opportunity.json', import.meta.url),
  columns: (c) => ({
    title: c.title,
    description: c.description,
    agency: c.agency,
    naicsCode: c.naics_code,
    requirements: c.requirements,
  }),
  embedded: ['title', 'description'],
})
