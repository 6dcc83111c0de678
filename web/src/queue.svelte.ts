// The queue: one view in its frozen order. Pages of it are loaded when they are looked at.
import { SvelteMap } from 'svelte/reactivity'
import { ask, type Cell, type Counts, type Decision, type Detail, type Item, type State, type View } from './api'
import { desk } from './desk.svelte'
import { exampleAt, fresh, hidden, place, query, writeAddress } from './place.svelte'
import { prefs } from './prefs.svelte'

const PAGE = 120
const KEPT_PAGES = 40
const KEPT_DETAILS = 48
const UNDECIDED: readonly State[] = ['open', 'later', 'conflict']

class Queue {
  total = $state(-1)
  counts = $state.raw<Counts | null>(null)
  /** The figures of the view: how many examples still are in its state, where the yield becomes low, the reviewer's
   *  pace. */
  view = $state.raw<View | null>(null)
  cells = $state.raw<Cell[]>([])
  error = $state('')
  /** Grows with every change that the server reports. */
  changes = $state(0)
  pages = new SvelteMap<number, Item[]>()
  /** Decisions made on this page since its items were loaded. */
  marks = new SvelteMap<number, { state: State; decision: Decision | null }>()
  private details = new SvelteMap<string, Detail>() // by slot
  private key = ''
  private countTimer = 0
  private countsAsked = 0
  private countsShown = 0
  private refreshes = 0
  private like: number | null = null
  private first = 0
  private last = 0
  private loading = new Set<number>()
  private requests = new Map<string, Promise<Detail>>() // of details, by slot

  /** Open the queue that the address names; the same queue is not loaded again. */
  open() {
    const key = `${this.query}&like=${place.like ?? ''}&who=${prefs.reviewer}`
    if (key === this.key) {
      if (place.ex !== null) this.seek()
      return
    }
    this.key = key
    this.like = place.like
    this.total = -1
    this.error = ''
    this.pages.clear()
    this.marks.clear()
    this.loading.clear()
    this.requests.clear()
    this.view = null
    if (this.like === null) this.count()
    if (place.ex !== null && this.like === null) this.seek()
    else this.ensure(place.at - PAGE / 2, place.at + PAGE / 2)
  }

  /** Find the position of the example that the address names. If the view does not hold it, take the first one after
   *  it. */
  private async seek() {
    const [ex, key] = [place.ex, this.key]
    let at = this.loadedAt(ex!)
    if (at < 0 && this.like === null)
      at = await ask('/api/where', `?${this.query}&i=${ex}&on=1`).then(
        (answer) => answer.at,
        () => 0,
      )
    if (key !== this.key || place.ex !== ex) return
    Object.assign(place, { at: Math.max(0, at), ex: null })
    writeAddress()
    this.ensure(place.at - PAGE / 2, place.at + PAGE / 2)
  }

  private loadedAt(i: number): number {
    for (const [page, items] of this.pages) {
      const at = items.findIndex((item) => item.i === i)
      if (at >= 0) return page * PAGE + at
    }
    return -1
  }

  /** Whether the label of an example is doubted, so that it has a suggestion. */
  doubts(item: Pick<Item, 'i'> & Partial<Pick<Item, 'state' | 'doubted'>>): boolean {
    return item.doubted === true && UNDECIDED.includes(this.marks.get(item.i)?.state ?? item.state ?? 'open')
  }

  get query() {
    return [query(), `fresh=${fresh.token}`, hidden() ? 'blind=1' : ''].filter(Boolean).join('&')
  }

  /** Load the counts again, at most once in 400 ms: also while decisions follow each other more quickly than that. */
  recount() {
    this.countTimer ||= window.setTimeout(() => {
      this.countTimer = 0
      this.count()
    }, 400)
  }

  /** The server reports a change: what is loaded stays in sight, and is loaded again when it is looked at. */
  changed() {
    this.requests.clear()
    this.changes++
    if (this.error) {
      this.error = '' // the server is back
      if (!this.pages.size) this.total = -1
      this.pump()
    }
    this.recount()
  }

  private async count() {
    const key = this.key
    const turn = ++this.countsAsked
    try {
      const view = await ask('/api/view', `?${this.query}`)
      if (key !== this.key || turn < this.countsShown) return // an older answer may arrive after a newer one
      this.countsShown = turn
      this.view = view
      this.counts = view.counts
      this.cells = view.cells
      desk.progress = view.progress
      if (place.view === 'grid') this.refresh()
    } catch (error) {
      if (key === this.key) this.error = (error as Error).message
    }
  }

  /** Load again what is in sight: the order stays, but probabilities and states follow the decisions. */
  private async refresh() {
    const key = this.key
    const turn = ++this.refreshes
    for (const [page] of [...this.pages]) {
      if ((page + 1) * PAGE <= this.first || page * PAGE > this.last) continue
      const answer = await this.items(page).catch(() => null)
      if (key !== this.key || turn !== this.refreshes) return
      if (answer && this.pages.has(page)) this.pages.set(page, answer.items)
    }
  }

  item(at: number): Item | undefined {
    return this.pages.get(Math.floor(at / PAGE))?.[at % PAGE]
  }

  state(item: { i: number; state: State }): State {
    return this.marks.get(item.i)?.state ?? item.state
  }

  /** The current decision on an example as this reviewer sees it. */
  decision(item: Item): Decision | null {
    const mark = this.marks.get(item.i)
    return mark ? mark.decision : (item.mine ?? item.decision)
  }

  ensure(first: number, last: number) {
    this.first = Math.max(0, first)
    this.last = last
    this.pump()
  }

  private pump() {
    const key = this.key
    const end = this.total < 0 ? this.last : Math.min(this.last, this.total - 1)
    for (let page = Math.floor(this.first / PAGE); page <= end / PAGE; page++) {
      if (this.loading.size >= 3) return
      if (this.pages.has(page) || this.loading.has(page)) continue
      this.loading.add(page)
      this.load(page, key)
    }
  }

  /** The items of one page: of the view, or of the examples that are similar to one example. */
  private items(page: number): Promise<{ total?: number; items: Item[] }> {
    if (this.like !== null) return ask('/api/similar/', `${this.like}?${this.query}&n=${PAGE}`)
    return ask('/api/items', `?${this.query}&at=${page * PAGE}&n=${PAGE}`)
  }

  private async load(page: number, key: string) {
    try {
      const answer = await this.items(page)
      if (key !== this.key) return
      this.total = answer.total ?? answer.items.length
      this.pages.set(page, answer.items)
      if (place.ex !== null && this.like !== null) this.seek()
      for (const old of this.pages.keys()) {
        if (this.pages.size <= KEPT_PAGES) break
        this.pages.delete(old)
      }
    } catch (error) {
      if (key !== this.key) return
      this.error = (error as Error).message
      this.total = Math.max(0, this.total)
      return
    } finally {
      if (key === this.key) this.loading.delete(page)
    }
    this.pump()
  }

  /** The key of an example's evidence: in blind mode, or for another reviewer, the answer is another one. */
  private slot(i: number) {
    return `${i} ${hidden()} ${prefs.reviewer}`
  }

  known(i: number): Detail | undefined {
    return this.details.get(this.slot(i))
  }

  /** One example with its evidence; the same promise for every caller until something changes. */
  detail(i: number): Promise<Detail> {
    const slot = this.slot(i)
    const before = this.requests.get(slot)
    if (before) return before
    const request = ask('/api/item/', `${i}?${this.query}`)
    this.requests.set(slot, request)
    request.then(
      (detail) => {
        const outdated = this.requests.get(slot) !== request
        if (outdated && this.details.has(slot)) return
        this.details.set(slot, detail)
        for (const old of this.details.keys()) {
          if (this.details.size <= KEPT_DETAILS) break
          this.requests.delete(old)
          this.details.delete(old)
        }
      },
      () => this.requests.get(slot) === request && this.requests.delete(slot),
    )
    return request
  }

  mark(states: Record<string, State>, decisions: Map<number, Decision | null> = new Map()) {
    for (const [name, state] of Object.entries(states)) {
      const i = Number(name)
      this.marks.set(i, { state, decision: decisions.get(i) ?? null })
      this.requests.delete(this.slot(i)) // its evidence is loaded again when it is looked at
    }
  }

  /** Show the state that the server sent: a decision was refused. */
  unmark(ids: number[]) {
    for (const i of ids) this.marks.delete(i)
  }
}

export const queue = new Queue()
exampleAt.find = (at) => queue.item(at)?.i ?? null
