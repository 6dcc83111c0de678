// Where the reader is: one object that mirrors the address bar, so that every view is a link and Back works.
import { uuid } from './api'

const FILTERS = ['given', 'other', 'state', 'pmin', 'pmax', 'q', 'duplicates', 'lasso', 'sample', 'by', 'mine'] as const
const VIEWS = ['overview', 'grid', 'focus', 'duplicates', 'classes', 'map', 'end'] as const
export type View = (typeof VIEWS)[number]
export type Place = Record<(typeof FILTERS)[number], string> & {
  view: View
  at: number // the place in the queue as it was frozen; the address names the example there, never the number
  ex: number | null // the example to stand at, until the queue knows its place
  i: number | null // one example outside the queue, as a neighbour that was followed
  like: number | null // the queue is what resembles this example
  blind: boolean
}

function read(): Place {
  const said = new URLSearchParams(location.search)
  const whole = (name: string) => (/^\d+$/.test(said.get(name) ?? '') ? Number(said.get(name)) : null)
  const view = location.pathname.slice(1) as View
  return {
    ...(Object.fromEntries(FILTERS.map((name) => [name, said.get(name) ?? ''])) as Record<(typeof FILTERS)[number], string>),
    view: VIEWS.includes(view) ? view : 'overview',
    at: 0,
    ex: whole('at'),
    i: whole('i'),
    like: whole('like'),
    blind: said.get('blind') === '1',
  }
}

export const place = $state(read())
/** Which example stands at a place of the queue; the queue says it. */
export const standing = { example: (_at: number): number | null => null }
/** Changes when the reader asks for a fresh order: the server keeps the order of a view until then. */
export const fresh = $state({ token: uuid().slice(0, 8) })

/** Whether given labels and suggestions are hidden: by the reader's choice, or because an acceptance sample is always judged so. */
export const hidden = () => place.blind || accepting()
/** An acceptance sample is judged in the order in which it was drawn, without filters. */
export const accepting = () => place.sample.startsWith('accept-')

export function query(from: Partial<Place> = place): string {
  const said = new URLSearchParams()
  for (const name of FILTERS) if (from[name]) said.set(name, from[name])
  return said.toString()
}

export function href(change: Partial<Place>, base: Partial<Place> = place): string {
  const to = { ...base, ...('at' in change && !('ex' in change) ? { ex: null } : {}), ...change }
  const said = new URLSearchParams(query(to))
  if (to.like != null) said.set('like', String(to.like))
  if (to.blind) said.set('blind', '1')
  const example = to.ex ?? (to.at ? standing.example(to.at) : null)
  if (to.view !== 'overview' && example != null) said.set('at', String(example))
  if (to.view === 'focus' && to.i != null) said.set('i', String(to.i))
  return `/${to.view ?? 'grid'}${said.size ? `?${said}` : ''}`
}

const QUEUES: readonly string[] = ['grid', 'focus']
/** Go to a place. A view that is opened anew, or under other filters, takes the order of now, without what has been decided. */
function enter(change: Partial<Place>) {
  const [view, filters] = [place.view, query()]
  Object.assign(place, change)
  if (QUEUES.includes(place.view) && (!QUEUES.includes(view) || query() !== filters)) fresh.token = uuid().slice(0, 8)
}

let writing = 0
/** Bring the address up to date. */
export function written() {
  clearTimeout(writing)
  writing = 0
  history.replaceState(history.state, '', href({}))
}
const INSIDE = { inside: true } // an entry of the history that this page made, so that Back stays in it

/** Change the place. A step within a queue replaces the address (a little later); anything else is a new entry in the history. */
export function go(change: Partial<Place>) {
  const step = Object.keys(change).every((name) => name === 'at')
  if (!step && writing) written()
  enter({ ...('at' in change && !('ex' in change) ? { ex: null } : {}), ...change })
  if (!step) history.pushState(INSIDE, '', href({}))
  else if (!writing) writing = window.setTimeout(written, 200)
}

/** Back to where the similar examples were asked for. */
export function leaveSimilar() {
  if (history.state?.inside) history.back()
  else go({ like: null, i: null, at: 0, ex: place.like })
}

addEventListener('pagehide', () => writing && written())
addEventListener('popstate', () => {
  clearTimeout(writing)
  writing = 0
  enter(read())
})

/** Follow a link inside the page without loading it again; a click with a modifier stays the browser's. */
export function follow(event: MouseEvent) {
  const link = (event.target as Element).closest?.('a[href^="/"]') as HTMLAnchorElement | null
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || link.target) return
  event.preventDefault()
  written()
  history.pushState(INSIDE, '', link.href)
  enter(read())
}
