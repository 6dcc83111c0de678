// Where the reader is: one object that mirrors the address bar. So every view is a link, and Back works.
import { uuid } from './api'

const FILTERS = [
  'given',
  'other',
  'state',
  'pmin',
  'pmax',
  'q',
  'duplicates',
  'split',
  'lasso',
  'sample',
  'by',
  'mine',
] as const
const VIEWS = ['overview', 'grid', 'focus', 'duplicates', 'classes', 'map', 'end'] as const
export type View = (typeof VIEWS)[number]
type Filters = Record<(typeof FILTERS)[number], string>
export type Place = Filters & {
  view: View
  at: number // position in the frozen queue; the address names the example there, never the number
  ex: number | null // the example to go to, until its position in the queue is known
  i: number | null // one example outside the queue, for example a neighbour
  like: number | null // the queue holds the examples that are similar to this one
  blind: boolean
}

function read(): Place {
  const parameters = new URLSearchParams(location.search)
  const whole = (name: string) => (/^\d+$/.test(parameters.get(name) ?? '') ? Number(parameters.get(name)) : null)
  const view = location.pathname.slice(1) as View
  return {
    ...(Object.fromEntries(FILTERS.map((name) => [name, parameters.get(name) ?? ''])) as Filters),
    view: VIEWS.includes(view) ? view : 'overview',
    at: 0,
    ex: whole('at'),
    i: whole('i'),
    like: whole('like'),
    blind: parameters.get('blind') === '1',
  }
}

export const place = $state(read())
/** Which example is at a position of the queue; the queue sets `find`. */
export const exampleAt = { find: (_at: number): number | null => null }
/** A new token asks for a fresh order; until then the server keeps the order of a view. */
export const fresh = $state({ token: uuid().slice(0, 8) })

/** Whether given labels and suggestions are hidden: by the reader's choice, or in an acceptance sample, which is always
 *  blind. */
export const hidden = () => place.blind || accepting()
/** An acceptance sample is reviewed in the order in which it was drawn, without filters. */
export const accepting = () => place.sample.startsWith('accept-')

export function query(from: Partial<Place> = place): string {
  const parameters = new URLSearchParams()
  for (const name of FILTERS) if (from[name]) parameters.set(name, from[name])
  return parameters.toString()
}

export function href(change: Partial<Place>, base: Partial<Place> = place): string {
  const to = { ...base, ...('at' in change && !('ex' in change) ? { ex: null } : {}), ...change }
  const parameters = new URLSearchParams(query(to))
  if (to.like != null) parameters.set('like', String(to.like))
  if (to.blind) parameters.set('blind', '1')
  const example = to.ex ?? (to.at ? exampleAt.find(to.at) : null)
  if (to.view !== 'overview' && example != null) parameters.set('at', String(example))
  if (to.view === 'focus' && to.i != null) parameters.set('i', String(to.i))
  return `/${to.view ?? 'grid'}${parameters.size ? `?${parameters}` : ''}`
}

const QUEUES: readonly string[] = ['grid', 'focus']
/** Go to a place. A view that is opened again, or with other filters, gets a fresh order without the decided examples.
 *  */
function enter(change: Partial<Place>) {
  const [view, filters] = [place.view, query()]
  Object.assign(place, change)
  if (QUEUES.includes(place.view) && (!QUEUES.includes(view) || query() !== filters)) fresh.token = uuid().slice(0, 8)
}

let writing = 0
/** Bring the address up to date. */
export function writeAddress() {
  clearTimeout(writing)
  writing = 0
  history.replaceState(history.state, '', href({}))
}
const INSIDE = { inside: true } // marks the history entries of this page, so that Back stays in it

/** Change the place. A step within a queue replaces the address (after a short wait); any other change is a new history
 *  entry. */
export function go(change: Partial<Place>) {
  const step = Object.keys(change).every((name) => name === 'at')
  if (!step && writing) writeAddress()
  enter({ ...('at' in change && !('ex' in change) ? { ex: null } : {}), ...change })
  if (!step) history.pushState(INSIDE, '', href({}))
  else if (!writing) writing = window.setTimeout(writeAddress, 200)
}

/** Back to the example whose similar examples are shown. */
export function leaveSimilar() {
  if (history.state?.inside) history.back()
  else go({ like: null, i: null, at: 0, ex: place.like })
}

addEventListener('pagehide', () => writing && writeAddress())
addEventListener('popstate', () => {
  clearTimeout(writing)
  writing = 0
  enter(read())
})

/** Follow a link inside the page without loading it again; a click with a modifier is left to the browser. */
export function follow(event: MouseEvent) {
  const link = (event.target as Element).closest?.('a[href^="/"]') as HTMLAnchorElement | null
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || link.target) return
  event.preventDefault()
  writeAddress()
  history.pushState(INSIDE, '', link.href)
  enter(read())
}
