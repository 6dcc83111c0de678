// Decisions: each request is written to this browser's storage, sent, and removed once the server has saved it. While
// the server does not answer, the same batch is sent again; the server recognises it, so nothing is lost or saved
// twice.
import { ask, Refused, reviewer, uuid } from './api'
import type { Act, Answers, Batch, Decision, Item } from './api'
import { desk } from './desk.svelte'
import { draft, forget } from './comments.svelte'
import { hidden, place, query } from './place.svelte'
import { queue } from './queue.svelte'
import { t } from './messages'

type Route = '/api/decisions' | '/api/undo' | '/api/redo'
type Unsent = { path: Route; body: Record<string, unknown>; at: number; who: string }
type Target = Pick<Item, 'i' | 'id' | 'given' | 'other'> & Partial<Pick<Item, 'state' | 'doubted'>>
const PATIENCE = 1500 // ms until the next example shows although the decision is only in this browser's storage

export { desk }
let prefix = ''

/** Start with the requests that an earlier page of this run could not send. */
export function start(run: string) {
  prefix = `labelsieve.unsent.${run}.`
  const left: [string, Unsent][] = []
  for (let at = 0; at < localStorage.length; at++) {
    const key = localStorage.key(at)!
    if (key.startsWith(prefix)) left.push([key, JSON.parse(localStorage.getItem(key)!)])
  }
  left.sort((a, b) => a[1].at - b[1].at)
  desk.unsaved += left.length
  for (const [key, request] of left) deliver(key, request).catch(() => {})
}

let line: Promise<unknown> = Promise.resolve()
/** Send requests one after the other, each until the server has answered. */
function deliver<R extends Route>(key: string, request: Unsent & { path: R }): Promise<Answers[R]> {
  const sent = line.then(async () => {
    for (let wait = 250; ; wait = Math.min(wait * 2, 5000)) {
      try {
        const answer = await ask(request.path, '', request.body, request.who)
        desk.error = ''
        return answer
      } catch (error) {
        if (error instanceof Refused && !error.temporary) throw error
        desk.error = error instanceof Refused ? error.message : t('away')
        await new Promise((done) => setTimeout(done, wait))
      }
    }
  })
  const settle = () => {
    localStorage.removeItem(key)
    desk.unsaved--
  }
  line = sent.then(settle, (error) => {
    settle()
    desk.error = error.message
  })
  return sent
}

function send<R extends Route>(path: R, body: Record<string, unknown>): Promise<Answers[R]> {
  const request = { path, body, at: Date.now(), who: reviewer.name }
  const key = prefix + body.batch
  try {
    localStorage.setItem(key, JSON.stringify(request))
  } catch {
    // storage is full or forbidden: the request then lives in this page until the server has it
  }
  desk.unsaved++
  return deliver(key, request)
}

/** How the examples came to the reviewer. */
function pick(): string {
  if (place.view === 'duplicates') return 'view'
  if (place.like !== null) return 'similar'
  if (place.sample) return place.sample.startsWith('accept-') ? place.sample : 'sample'
  if (place.state === 'conflict') return 'settle'
  return query({ ...place, state: '', by: '', mine: '' }) || !['', 'p'].includes(place.by) ? 'view' : 'ranked'
}

export function sentence(decision: Decision | null): string {
  if (!decision) return t('decision_none')
  return t(`decision_${decision.act}`, { label: decision.label ?? '' })
}

/** The decision on one example: `label` is a class, or "suggested"; the given class again means keep. */
function resolve(item: Target, act: Act, label?: string): { i: number; act: Act; label?: string } {
  const to = label === 'suggested' ? (item.other ?? undefined) : label
  if (act !== 'relabel') return { i: item.i, act }
  return to === item.given ? { i: item.i, act: 'keep' } : { i: item.i, act, label: to }
}

/** Example -> the batch of its last decision: an older answer must not hide a newer decision. */
const latest = new Map<number, string>()

/** Decide on some examples. Resolves once the decision is saved on the server or in this browser; false if there was
 *  nothing to decide. With the label "suggested", examples without a suggestion are left alone. */
export async function decide(all: Target[], act: Act, label?: string): Promise<boolean> {
  const items = label === 'suggested' ? all.filter((item) => queue.doubts(item)) : all
  if (desk.readonly || !items.length) {
    desk.message = desk.readonly ? t('readonly') : all.length ? t('no_suggestion') : ''
    return false
  }
  const alone = all.length - items.length
  const batch = uuid()
  const noted = items.filter((item) => draft(item.i) !== undefined)
  const acts = items.map((item) => {
    const note = draft(item.i)
    return { ...resolve(item, act, label), ...(note !== undefined ? { note } : {}) }
  })
  const decisions = new Map(acts.map((one) => [one.i, { act: one.act, label: one.label ?? null }]))
  for (const { i } of acts) latest.set(i, batch)
  queue.mark(Object.fromEntries(acts.map((one) => [one.i, one.act])), decisions)
  desk.message =
    items.length === 1
      ? `${items[0].id}: ${sentence(decisions.get(items[0].i)!)}`
      : t('decided_many', { n: items.length })
  if (alone) desk.message += ` ${t('left_alone', { n: alone })}`
  const saved = send('/api/decisions', { batch, pick: pick(), blind: hidden(), acts }).then(
    (answer) => {
      for (const item of noted) forget(item.i)
      queue.mark(
        Object.fromEntries(Object.entries(answer.states).filter(([i]) => latest.get(Number(i)) === batch)),
        decisions,
      )
      desk.progress = answer.progress
      queue.recount()
    },
    () => queue.unmark(items.filter((item) => latest.get(item.i) === batch).map((item) => item.i)),
  )
  await Promise.race([saved, new Promise((done) => setTimeout(done, PATIENCE))])
  return true
}

/** Decide on every example of the view; the server refuses if the view does not have exactly `expect` of them any more.
 *  */
export async function decideAll(act: Act, expect: number, label?: string, suggested?: number): Promise<void> {
  if (desk.readonly) return
  const body = { batch: uuid(), pick: pick(), blind: hidden(), view: queue.query, expect, act }
  try {
    const labelled = label ? { ...body, label } : body
    const answer = await send('/api/decisions', label === 'suggested' ? { ...labelled, suggested } : labelled)
    desk.message = t('decided_many', { n: answer.saved })
    if (answer.left_alone) desk.message += ` ${t('left_alone', { n: answer.left_alone })}`
    desk.progress = answer.progress
  } catch (error) {
    desk.error = (error as Error).message
  }
}

/** A batch in a few words, for the message after an undo or redo. */
function inWords(batch: Batch | null): string {
  if (!batch) return ''
  const { act, label, n, id } = batch
  const decision = act === 'relabel' ? t('undo_class', { label: label ?? '' }) : act ? sentence({ act, label }) : ''
  if (n === 1) return `${id}: ${decision}`
  const same = act && (act !== 'relabel' || label)
  return same ? t('undone_many', { n, decision }) : t('undone_mixed', { n })
}

/** Undo or redo; returns the first example concerned, or null. */
export async function undo(way: 'undo' | 'redo'): Promise<number | null> {
  const answer = await send(`/api/${way}`, { batch: uuid(), blind: hidden() }).catch(() => null)
  if (!answer?.undone) {
    if (answer) desk.message = t(way === 'undo' ? 'nothing_undo' : 'nothing_redo')
    return null
  }
  queue.mark(answer.states)
  desk.progress = answer.progress
  queue.recount()
  desk.message = t(way === 'undo' ? 'undone' : 'redone', { what: inWords(answer.what) })
  return answer.at_item
}
