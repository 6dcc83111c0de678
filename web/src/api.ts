// What the server says and how it is asked. The shapes follow src/labelsieve/page.
export type Act = 'keep' | 'relabel' | 'exclude' | 'ambiguous' | 'later'
export type State = 'open' | 'later' | 'conflict' | Exclude<Act, 'later'> | 'decided'
export type Estimate = { low: number; count: number; high: number }
export type Stop = { at: number; before: number; rest: number; wrong: number; one_in: number | null }
export type Counts = Record<'open' | 'decided' | 'later' | 'conflict' | 'flagged' | 'all', number | null>
export type Cell = { given: string; other: string; count: number; expected: number; open: number }
export type Said = { act: Act; label: string | null; reviewer?: string }
export type Calibrated = { wrong: Estimate; left: Estimate; reviewed: number; found: number; doubted: number }

/** What a class means; `example` is a position. */
export type Meaning = { name: string; guideline: string; example: number | null }
/** A group of duplicates; `rows` are all of them, `members` the first. Blind, whether it disagrees is not told. */
export type Group = { disagree: boolean | null; members: Item[]; rows: number[] }
export type Groups = { total: number; all: number; disagree: number | null; items: Group[] }

export type Run = {
  id?: string
  name: string
  source: string
  kind: 'image' | 'text' | 'features' | 'probs'
  n: number
  classes: string[]
  guide: Record<string, Meaning>
  duplicates: number // groups
  map: boolean // whether a map can be made
  estimate: Estimate
  calibrated: Calibrated
  precision_at: { cut: number; expected: number | null; rows: number }[]
  plan: { review: number; catch: number; wrong: number }[]
  states: Record<Exclude<State, 'decided'>, number>
  flagged: number
  reviewer: string // the name of who does not say one
  first: { name: string; size: number; minutes: number; count: number; low: number; high: number; doubted: number } | null // the random sample to begin with
  commands: { command: string; why: string }[]
  stop: Omit<Stop, 'at'> | null // where the yield falls among all that is undecided
  similar: boolean // whether neighbours are known
  cells_rest: { n: number; expected: number }
  class_health_rest: { n: number; expected: number }
  scores: string[]
  notes: string[]
  settings: Record<string, unknown>
  reviewers: {
    name: string
    decisions: number
    suggestions_taken: number | null
    shared: number
    agreement: number | null
    planted: number
    planted_right: number
  }[]
  agreement: { label: string | null; examples: number; agree: number; kappa: number | null }[] // of all classes first
  known: number
  ranking: number
  samples: { name: string; size: number; done: number }[]
  cells: Cell[]
  class_health: { label: string; n: number; expected: number; rate: number; mostly: string | null }[]
  reliability: { low: number; high: number; expected: number; observed: number; n: number }[]
  trail: { reviewed: number; low: number; count: number; high: number }[]
  readonly: boolean
  data_error: string | null
}

/** Given label, suggestion and whatever tells them are null where the reviewer judges blind: the server keeps them. */
export type Item = {
  i: number
  id: string
  given: string | null
  other: string | null
  p: number | null
  doubted: boolean | null
  flagged: boolean | null
  state: State
  decision: Said | null
  mine: Said | null
  text: string | null
  values: Cells | null // the first features of a row
}
export type Cells = { name: string; value: string }[]

/** A feature of a row; between which quartiles of the two classes it lies is kept from who judges blind. */
export type Feature = {
  name: string
  value: number | null
  z: number | null
  given?: (number | null)[]
  likely?: (number | null)[]
  speaks?: number // for the likely class (positive) or the given one
}
/** Why an example is suspected: a code with its numbers, put into words by `why` in reasons.ts. */
export type Reason =
  | { code: 'model'; likely: number; given: number }
  | { code: 'neighbours'; agree: number; of?: number } // of: how many voted, where they were few
  | { code: 'no_neighbours' }
  | { code: 'duplicate' }

type Series = (number | null)[]
export type Detail = Item & {
  rank: number | null
  reason: string | null
  reasons: Reason[]
  features: Feature[] | null
  features_total: number
  columns: Cells
  note: string // what this reviewer wrote
  scores: { name: string; value: number | null; percentile: number; flagged: boolean | null; suggested: string | null }[]
  curve: { loss: Series; median: Series; low: Series; high: Series } | null
  top: { label: string; p: number | null }[] | null
  neighbours: { i: number; id: string; given: string; similarity: number | null; state: State; text: string | null; values: Cells | null }[]
  duplicates: number[]
  twins: Item[] // the first of the duplicates
  history: { act: Act; label: string | null; reviewer: string; at: string; stands: boolean; pick: string; blind: boolean; note: string }[]
  excluded_reason: string | null
}

export type View = {
  total: number
  counts: Counts
  doubted: number | null // within the filters, whatever the state
  cells: Cell[]
  standing: number // of the view, still in its state
  suggested: number | null // those of them that have a suggestion
  stop: Stop | null
  pace: number | null // seconds an example
  progress: Calibrated
}
export type What = { n: number; i: number | null; id: string | null; act: Act | null; label: string | null }
export type Acted = { states: Record<string, State>; progress?: Calibrated; left_alone?: number; saved: number }
export type Undone = Acted & { undone: string | null; at_item: number | null; what?: What }

/** The server answered, and said no. `passing` is true where the same words may be accepted later. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
  get passing() {
    return this.status >= 500 || [401, 403, 408, 429].includes(this.status)
  }
}

export const who = { name: '' }

export async function ask<T>(path: string, body?: unknown, name = who.name): Promise<T> {
  const answer = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'X-Reviewer': encodeURIComponent(name), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const said = await answer.json().catch(() => ({ error: answer.statusText }))
  if (!answer.ok) throw new Refused(answer.status, said.error ?? answer.statusText)
  return said as T
}

/** A random id. `crypto.randomUUID` is missing where the page is served to another machine without TLS. */
export function uuid(): string {
  const b = crypto.getRandomValues(new Uint8Array(16))
  b[6] = (b[6] & 15) | 64
  b[8] = (b[8] & 63) | 128
  return [...b].map((x, at) => ([4, 6, 8, 10].includes(at) ? '-' : '') + x.toString(16).padStart(2, '0')).join('')
}
