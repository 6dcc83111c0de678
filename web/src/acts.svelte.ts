// Decisions: each act is written to this browser's storage, sent, and taken out again when the server has it.
// A server that is away is asked again with the same batch, which it recognises; nothing is lost and nothing doubled.
import { ask, Refused, uuid, who, type Act, type Acted, type Item, type Said, type State, type Undone, type What } from './api'
import { desk } from './desk.svelte'
import { draft, forget } from './notes.svelte'
import { hidden, place, query } from './place.svelte'
import { queue } from './queue.svelte'
import { t } from './words'

type Sent = { path: string; body: Record<string, unknown>; at: number; who: string }
const PATIENCE = 1500 // ms until the next example shows although the act is only in this browser's storage

export { desk }
let prefix = ''

/** Start with the acts that an earlier page of this run could not send. */
export function start(run: string) {
  prefix = `labelsieve.unsent.${run}.`
  const left: [string, Sent][] = []
  for (let at = 0; at < localStorage.length; at++) {
    const key = localStorage.key(at)!
    if (key.startsWith(prefix)) left.push([key, JSON.parse(localStorage.getItem(key)!)])
  }
  left.sort((a, b) => a[1].at - b[1].at)
  desk.unsaved = left.length
  for (const [key, sent] of left) deliver(key, sent).catch(() => {})
}

let line: Promise<unknown> = Promise.resolve()
/** Send acts one after the other, each until the server has answered. */
function deliver<T>(key: string, sent: Sent): Promise<T> {
  const answer = line.then(async () => {
    for (let wait = 250; ; wait = Math.min(wait * 2, 5000)) {
      try {
        const said = await ask<T>(sent.path, sent.body, sent.who)
        desk.error = ''
        return said
      } catch (error) {
        if (error instanceof Refused && !error.passing) throw error
        desk.error = error instanceof Refused ? error.message : t('away')
        await new Promise((done) => setTimeout(done, wait))
      }
    }
  })
  const settle = () => {
    localStorage.removeItem(key)
    desk.unsaved--
  }
  line = answer.then(settle, (error) => {
    settle()
    desk.error = error.message
  })
  return answer
}

function send<T>(path: string, body: Record<string, unknown>): Promise<T> {
  const sent = { path, body, at: Date.now(), who: who.name }
  const key = prefix + body.batch
  try {
    localStorage.setItem(key, JSON.stringify(sent))
  } catch {
    // storage is full or forbidden: the act then lives in this page until the server has it
  }
  desk.unsaved++
  return deliver<T>(key, sent)
}

/** How the examples came before the reviewer. */
function pick(): string {
  if (place.view === 'duplicates') return 'view'
  if (place.like !== null) return 'similar'
  if (place.sample) return place.sample.startsWith('accept-') ? place.sample : 'sample'
  if (place.state === 'conflict') return 'settle'
  return query({ ...place, state: '', by: '', mine: '' }) || !['', 'p'].includes(place.by) ? 'view' : 'ranked'
}

const STATES: Record<Act, State> = { keep: 'keep', relabel: 'relabel', exclude: 'exclude', ambiguous: 'ambiguous', later: 'later' }

export function sentence(said: Said | null): string {
  return said ? t(said.act === 'relabel' ? 'said_relabel' : `said_${said.act}`, { label: said.label ?? '' }) : t('said_none')
}

/** What the act means for one example: `label` is a class, or "suggested"; the given class again means keep. */
function meant(item: Pick<Item, 'i' | 'given' | 'other'>, act: Act, label?: string) {
  const to = label === 'suggested' ? (item.other ?? undefined) : label
  if (act !== 'relabel') return { i: item.i, act }
  return to === item.given ? { i: item.i, act: 'keep' as Act } : { i: item.i, act, label: to }
}

/** Say something of some examples; resolves when it is saved here or there, to whether anything was decided. The label "suggested" leaves
 *  alone what has no suggestion. */
export async function decide(all: (Pick<Item, 'i' | 'id' | 'given' | 'other'> & Partial<Pick<Item, 'state' | 'doubted'>>)[], act: Act, label?: string): Promise<boolean> {
  const items = label === 'suggested' ? all.filter((item) => queue.doubts(item)) : all
  if (desk.readonly || !items.length) {
    desk.said = desk.readonly ? t('readonly') : all.length ? t('no_suggestion') : ''
    return false
  }
  const alone = all.length - items.length
  const noted = items.filter((item) => draft(item.i) !== undefined)
  const acts = items.map((item) => ({ ...meant(item, act, label), ...(draft(item.i) !== undefined ? { note: draft(item.i) } : {}) }))
  const said = new Map(acts.map((a) => [a.i, { act: a.act, label: a.label ?? null }]))
  queue.mark(Object.fromEntries(acts.map((a) => [a.i, STATES[a.act]])), said)
  desk.said = items.length === 1 ? `${items[0].id}: ${sentence(said.get(items[0].i)!)}` : t('said_many', { n: items.length })
  if (alone) desk.said += ` ${t('left_alone', { n: alone })}`
  desk.decided += items.length
  const saved = send<Acted>('/api/decisions', { batch: uuid(), pick: pick(), blind: hidden(), acts }).then(
    (answer) => {
      for (const item of noted) forget(item.i)
      queue.mark(answer.states, said)
      if (answer.progress) desk.progress = answer.progress
      queue.recount()
    },
    () => queue.mark(Object.fromEntries(items.map((item) => [item.i, 'open']))),
  )
  await Promise.race([saved, new Promise((done) => setTimeout(done, PATIENCE))])
  return true
}

/** Say something of every example of the view; the server refuses if the view has not `expect` of them any more. */
export async function decideAll(act: Act, expect: number, label?: string, suggested?: number): Promise<void> {
  if (desk.readonly) return
  try {
    const body = { batch: uuid(), pick: pick(), blind: hidden(), view: queue.query, expect, act, ...(label ? { label } : {}), ...(label === 'suggested' ? { suggested } : {}) }
    const answer = await send<Acted>('/api/decisions', body)
    desk.said = t('said_many', { n: answer.saved })
    if (answer.left_alone) desk.said += ` ${t('left_alone', { n: answer.left_alone })}`
    if (answer.progress) desk.progress = answer.progress
  } catch (error) {
    desk.error = (error as Error).message
  }
}

/** What an undo or redo was about. */
function words(what?: What): string {
  if (!what) return ''
  const said = what.act === 'relabel' ? t('undo_class', { label: what.label ?? '' }) : what.act ? sentence({ act: what.act, label: what.label }) : ''
  if (what.n === 1) return `${what.id}: ${said}`
  const same = what.act && (what.act !== 'relabel' || what.label)
  return same ? t('undone_many', { n: what.n, said }) : t('undone_mixed', { n: what.n })
}

export async function undo(way: 'undo' | 'redo'): Promise<number | null> {
  const answer = await send<Undone>(`/api/${way}`, { batch: uuid(), blind: hidden() }).catch(() => null)
  if (!answer?.undone) {
    if (answer) desk.said = t(way === 'undo' ? 'nothing_undo' : 'nothing_redo')
    return null
  }
  queue.mark(answer.states)
  if (answer.progress) desk.progress = answer.progress
  queue.recount()
  desk.said = t(way === 'undo' ? 'undone' : 'redone', { what: words(answer.what) })
  return answer.at_item
}
