// The queue: one view in its frozen order, of which windows of a page are loaded as they are looked at.
import { SvelteMap } from 'svelte/reactivity'
import { ask, type Cell, type Counts, type Detail, type Item, type Said, type State, type View } from './api'
import { desk } from './desk.svelte'
import { fresh, hidden, place, query, standing, written } from './place.svelte'
import { prefs } from './prefs.svelte'

const PAGE = 120
const KEPT = 40 // pages
const DETAILS = 48

class Queue {
  total = $state(-1)
  counts = $state.raw<Counts | null>(null)
  /** What the server last said of the view: what still stands in it, where its yield falls, the pace of the reviewer. */
  view = $state.raw<View | null>(null)
  cells = $state.raw<Cell[]>([])
  error = $state('')
  news = $state(0)
  pages = new SvelteMap<number, Item[]>()
  /** What was said in this page since its items were loaded. */
  marks = new SvelteMap<number, { state: State; said: Said | null }>()
  private details = new SvelteMap<string, Detail>() // by slot
  private key = ''
  private counting = 0
  private like: number | null = null
  private first = 0
  private last = 0
  private loading = new Set<number>()
  private asking = new Map<string, Promise<Detail>>()

  /** Look at the place's queue; the same queue is not loaded again. */
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
    this.asking.clear()
    this.view = null
    if (this.like === null) this.count()
    if (place.ex !== null && this.like === null) this.seek()
    else this.ensure(place.at - PAGE / 2, place.at + PAGE / 2)
  }

  /** Find the place of the example that the address names; where the view no longer holds it, of the first that comes after it. */
  private async seek() {
    const [ex, key] = [place.ex, this.key]
    let at = this.known_at(ex!)
    if (at < 0 && this.like === null) at = await ask<{ at: number }>(`/api/where?${this.query}&i=${ex}&on=1`).then((said) => said.at, () => 0)
    if (key !== this.key || place.ex !== ex) return
    Object.assign(place, { at: Math.max(0, at), ex: null })
    written()
    this.ensure(place.at - PAGE / 2, place.at + PAGE / 2)
  }

  private known_at(i: number): number {
    for (const [page, items] of this.pages) {
      const at = items.findIndex((item) => item.i === i)
      if (at >= 0) return page * PAGE + at
    }
    return -1
  }

  /** Whether the label of an example is doubted, so that it has a suggestion. */
  doubts(item: Pick<Item, 'i'> & Partial<Pick<Item, 'state' | 'doubted'>>): boolean {
    return item.doubted === true && ['open', 'later', 'conflict'].includes(this.marks.get(item.i)?.state ?? item.state ?? 'open')
  }

  get query() {
    return [query(), `fresh=${fresh.token}`, hidden() ? 'blind=1' : ''].filter(Boolean).join('&')
  }

  /** Ask for the counts, at most once in 400 ms: also while decisions follow each other more quickly than that. */
  recount() {
    this.counting ||= window.setTimeout(() => {
      this.counting = 0
      this.count()
    }, 400)
  }

  /** Somebody decided something: what is known is shown on, but asked again when it is looked at. */
  heard() {
    this.asking.clear()
    this.news++
    if (this.error) {
      this.error = '' // the server is back
      if (!this.pages.size) this.total = -1
      this.pump()
    }
    this.recount()
  }

  private async count() {
    const key = this.key
    try {
      const view = await ask<View>(`/api/view?${this.query}`)
      if (key !== this.key) return
      this.view = view
      this.counts = view.counts
      this.cells = view.cells
      desk.progress = view.progress
      if (place.view === 'grid') this.refresh()
    } catch (error) {
      if (key === this.key) this.error = (error as Error).message
    }
  }

  /** Ask again for what is in sight: the order stays, but probabilities and states follow the decisions. */
  private async refresh() {
    const key = this.key
    for (const [page] of [...this.pages]) {
      if ((page + 1) * PAGE <= this.first || page * PAGE > this.last) continue
      const said = await ask<{ items: Item[] }>(this.address(page)).catch(() => null)
      if (key !== this.key) return
      if (said && this.pages.has(page)) this.pages.set(page, said.items)
    }
  }

  item(at: number): Item | undefined {
    return this.pages.get(Math.floor(at / PAGE))?.[at % PAGE]
  }

  state(item: { i: number; state: State }): State {
    return this.marks.get(item.i)?.state ?? item.state
  }

  /** What stands for an example as this reviewer sees it. */
  said(item: Item): Said | null {
    const mark = this.marks.get(item.i)
    return mark ? mark.said : (item.mine ?? item.decision)
  }

  ensure(first: number, last: number) {
    this.first = Math.max(0, first)
    this.last = last
    this.pump()
  }

  private async pump() {
    const key = this.key
    const end = this.total < 0 ? this.last : Math.min(this.last, this.total - 1)
    for (let page = Math.floor(this.first / PAGE); page <= end / PAGE; page++) {
      if (this.loading.size >= 3) return
      if (this.pages.has(page) || this.loading.has(page)) continue
      this.loading.add(page)
      this.load(page, key)
    }
  }

  /** Where the items of a page are asked for: the view's, or those like one example. */
  private address(page: number) {
    return this.like === null ? `/api/items?${this.query}&at=${page * PAGE}&n=${PAGE}` : `/api/similar/${this.like}?${this.query}&n=${PAGE}`
  }

  private async load(page: number, key: string) {
    try {
      const said = await ask<{ total?: number; items: Item[] }>(this.address(page))
      if (key !== this.key) return
      this.total = said.total ?? said.items.length
      this.pages.set(page, said.items)
      if (place.ex !== null && this.like !== null) this.seek()
      for (const old of this.pages.keys()) {
        if (this.pages.size <= KEPT) break
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

  /** Where the evidence of an example is kept; what is shown blind, or to another name, is another answer. */
  private slot(i: number) {
    return `${i} ${hidden()} ${prefs.reviewer}`
  }

  known(i: number): Detail | undefined {
    return this.details.get(this.slot(i))
  }

  /** One example with its evidence; the same promise however often it is asked for. */
  detail(i: number): Promise<Detail> {
    const slot = this.slot(i)
    let asked = this.asking.get(slot)
    if (!asked) {
      asked = ask<Detail>(`/api/item/${i}?${this.query}`)
      this.asking.set(slot, asked)
      asked.then(
        (detail) => {
          if (this.asking.get(slot) !== asked && this.details.has(slot)) return // old news, unless it is all there is
          this.details.set(slot, detail)
          for (const old of this.details.keys()) {
            if (this.details.size <= DETAILS) break
            this.asking.delete(old)
            this.details.delete(old)
          }
        },
        () => this.asking.delete(slot),
      )
    }
    return asked
  }

  mark(states: Record<string, State>, said: Map<number, Said | null> = new Map()) {
    for (const [name, state] of Object.entries(states)) {
      const i = Number(name)
      this.marks.set(i, { state, said: said.get(i) ?? null })
      this.asking.delete(this.slot(i)) // asked again when it is looked at
    }
  }
}

export const queue = new Queue()
standing.example = (at) => queue.item(at)?.i ?? null
