// Written by web/api_types.py from src/labelsieve/page/api.py; do not edit.
export type Act = 'keep' | 'relabel' | 'exclude' | 'ambiguous' | 'later'
export type State = 'open' | 'keep' | 'relabel' | 'exclude' | 'ambiguous' | 'later' | 'conflict' | 'decided'
export type Kind = 'image' | 'text' | 'features' | 'probs'
export type Reason = ModelReason | NeighbourReason | VotesReason | PlacementReason | BareReason

/** A number of labels; low to high is a 95 % interval once it is measured, and depends on assumptions before. */
export type Estimate = {
  low: number
  count: number
  high: number
}

/** How far the review is: `wrong` labels in all, and those `left` among the examples without a decision; `measured`
    says whether reviews measured both. */
export type Progress = {
  wrong: Estimate
  left: Estimate
  measured: boolean
  reviewed: number
  found: number
  doubted: number
}

/** Where the yield becomes low: examples `before` that point, the `rest` after it, and the wrong labels expected
    there. */
export type Stop = {
  before: number
  rest: number
  wrong: number
  one_in: number | null
}

/** The same with its position in a view. */
export type StopAt = {
  before: number
  rest: number
  wrong: number
  one_in: number | null
  at: number
}

/** One cell of the confusion matrix: examples, expected wrong labels, and examples without a decision. */
export type Cell = {
  given: string
  other: string
  count: number
  expected: number
  open: number
}

/** What one reviewer chose for an example. */
export type Choice = {
  act: Act
  label: string | null
}

/** The choice on which all reviewers agree. */
export type Verdict = {
  act: Act
  label: string | null
  reviewer: string
}

/** One column of a row. */
export type NamedValue = {
  name: string
  value: string
}

/** One feature of a row; the quartiles of both classes and what it speaks for are left out in blind mode. */
export type Feature = {
  name: string
  value: number | null
  z: number | null
  given?: (number | null)[]
  likely?: (number | null)[]
  speaks?: number
}

/** The model's probabilities for the likely and for the given label. */
export type ModelReason = {
  code: 'model'
  likely: number
  given: number
}

/** The share of the neighbours with the given label; `of` is their number where there are few. */
export type NeighbourReason = {
  code: 'neighbours'
  agree: number
  of?: number
}

/** How many of the votes are for the given label. */
export type VotesReason = {
  code: 'votes'
  agree: number
  of: number
}

/** Where a box probably lies, and how probably. */
export type PlacementReason = {
  code: 'placement'
  kind: 'beside' | 'too_small' | 'too_large'
  p: number
}

/** A reason without numbers. */
export type BareReason = {
  code: 'no_neighbours' | 'duplicate'
}

/** One example in short. In blind mode the fields that reveal the given label are null. */
export type Item = {
  i: number
  id: string
  given: string | null
  other: string | null
  p: number | null
  doubted: boolean | null
  flagged: boolean | null
  state: State
  decision: Verdict | null
  mine: Choice | null
  asked: string | null
  text: string | null
  values: NamedValue[] | null
  split: string | null
}

/** One detector's score, the share of all examples with a lower one, and the detector's own flag and suggestion. */
export type Score = {
  name: string
  value: number | null
  percentile: number
  flagged: boolean | null
  suggested: string | null
}

/** The loss of an example per epoch, beside the median and the middle 80 % of its class. */
export type Curve = {
  loss: (number | null)[]
  median: (number | null)[]
  low: (number | null)[]
  high: (number | null)[]
}

/** One class and its probability. */
export type ClassProbability = {
  label: string
  p: number | null
}

/** One of the nearest neighbours. */
export type Neighbour = {
  i: number
  id: string
  given: string
  similarity: number | null
  state: State
  text: string | null
  values: NamedValue[] | null
}

/** One decision in the journal; `stands` is false where it was undone. */
export type HistoryEntry = {
  act: Act
  label: string | null
  reviewer: string
  at: string
  stands: boolean
  pick: string
  blind: boolean
  note: string
}

/** One annotator's vote: `who` is a number of the annotator, for a colour; `agrees` with the consensus of all votes;
    `p` is the probability that it is right. */
export type Vote = {
  annotator: string
  who: number
  label: string
  agrees: boolean
  p: number
}

/** One example with all its evidence. */
export type Detail = {
  i: number
  id: string
  given: string | null
  other: string | null
  p: number | null
  doubted: boolean | null
  flagged: boolean | null
  state: State
  decision: Verdict | null
  mine: Choice | null
  asked: string | null
  text: string | null
  values: NamedValue[] | null
  split: string | null
  rank: number | null
  reason: string | null
  reasons: Reason[]
  features: Feature[] | null
  features_total: number
  columns: NamedValue[]
  note: string
  scores: Score[]
  curve: Curve | null
  top: ClassProbability[] | null
  neighbours: Neighbour[]
  duplicates: number[]
  twins: Item[]
  history: HistoryEntry[]
  votes: Vote[]
}

/** Examples of a view by state; `flagged` is null in blind mode. */
export type Counts = {
  open: number
  decided: number
  later: number
  conflict: number
  flagged: number | null
  all: number
}

/** The figures of a view; `standing` counts the examples that still are in its state, `pace` is in seconds per
    example. */
export type View = {
  total: number
  counts: Counts
  doubted: number | null
  cells: Cell[]
  standing: number
  suggested: number | null
  stop: StopAt | null
  pace: number | null
  progress: Progress
  seq: number
}

/** Some examples of a view, from position `at` on. */
export type Window = {
  total: number
  at: number
  items: Item[]
}

/** Examples that are similar to one example, most similar first. */
export type Similar = {
  items: Item[]
}

/** The position of an example in a view, -1 where it is not in it. */
export type Position = {
  at: number
}

/** A class and its number of examples. */
export type ClassCount = {
  label: string
  n: number
}

/** Examples per bin of p(wrong): without a decision, and reviewed. */
export type Histogram = {
  left: number[]
  reviewed: number[]
}

/** Whether the map can be shown, and why not. */
export type MapStatus = {
  state: 'ready' | 'making' | 'none'
  why: string
  n: number
}

/** Typical examples of one class. */
export type ClassExamples = {
  label: string
  n: number
  examples: Item[]
}

/** Typical examples of some classes; `total` is the number of classes. */
export type Gallery = {
  total: number
  items: ClassExamples[]
}

/** A group of duplicates: the first `members`, and the positions of all. It `leaks` if its members are in several
    splits. In blind mode `disagree` is null. */
export type Group = {
  disagree: boolean | null
  leaks: boolean
  members: Item[]
  rows: number[]
}

/** Some groups of duplicates: `total` fit the filter, `all` exist, in `disagree` of them the labels differ, and
    `leaks` are in several splits. */
export type Groups = {
  total: number
  all: number
  disagree: number | null
  leaks: number
  items: Group[]
}

/** The answer to a batch of decisions; `left_alone` is the number of examples without a suggestion. */
export type Saved = {
  saved: number
  states: Record<string, State>
  progress: Progress
  left_alone: number
}

/** A batch in short: the number of examples, the first one, and the act and class where all have the same. */
export type Batch = {
  n: number
  i: number | null
  id: string | null
  act: Act | null
  label: string | null
}

/** The answer to an undo or a redo; `undone` is null where there was nothing to undo. */
export type Undone = {
  undone: string | null
  what: Batch | null
  at_item: number | null
  saved: number
  states: Record<string, State>
  progress: Progress
}

/** The version of the new order, and the estimates with it. */
export type Reranked = {
  ranking: number
  calibrated: Progress
}

/** A random sample. */
export type Drawn = {
  name: string
  size: number
}

/** A random sample, and how many of its examples are reviewed. */
export type SampleProgress = {
  name: string
  size: number
  done: number
}

/** What a class means; `example` is the position of an example. */
export type Meaning = {
  name: string
  guideline: string
  example: number | null
}

/** The examples with p(wrong) of at least `cut`, and the share of them that is expected to be wrong. */
export type Cut = {
  cut: number
  expected: number | null
  rows: number
}

/** After `review` more examples, this share (`catch`) and number (`wrong`) of the remaining wrong labels is
    found. */
export type PlanStep = {
  review: number
  catch: number
  wrong: number
}

/** The number of examples in each state. */
export type States = {
  open: number
  keep: number
  relabel: number
  exclude: number
  ambiguous: number
  later: number
  conflict: number
}

/** The random sample to begin with, and the figures that show why. */
export type FirstSample = {
  name: string
  size: number
  minutes: number
  count: number
  low: number
  high: number
  doubted: number
}

/** A command to run next, and what it is for. */
export type Command = {
  command: string
  why: string
}

/** One reviewer: decisions, suggestions taken, agreement with others, and answers on known examples. */
export type Reviewer = {
  name: string
  decisions: number
  suggestions_taken: number | null
  shared: number
  agreement: number | null
  planted: number
  planted_right: number
}

/** Agreement between reviewers on one class, or on all (label null). */
export type Agreement = {
  label: string | null
  examples: number
  agree: number
  kappa: number | null
}

/** What a list leaves out. */
export type Rest = {
  n: number
  expected: number
}

/** Expected wrong labels of one class. */
export type ClassHealth = {
  label: string
  n: number
  expected: number
  rate: number
  mostly: string
}

/** Reviewed examples with similar p(wrong): the mean of it, and the share with a wrong label. */
export type ReliabilityBin = {
  low: number
  high: number
  expected: number
  observed: number
  n: number
}

/** The estimate after a number of reviewed examples. */
export type TrailStep = {
  low: number
  count: number
  high: number
  reviewed: number
}

/** Boxes and crops without a box, and how many of each are expected to be wrong. */
export type BoxCounts = {
  boxes: number
  wrong: number
  crops: number
  overlooked: number
}

/** Everything the overview shows. */
export type Run = {
  id: string
  name: string
  source: string
  kind: Kind
  n: number
  classes: string[]
  splits: string[]
  leaks: string[]
  guide: Record<string, Meaning>
  duplicates: number
  map: boolean
  estimate: Estimate
  calibrated: Progress
  precision_at: Cut[]
  plan: PlanStep[]
  states: States
  flagged: number
  flags_expected: number | null
  reviewer: string
  first: FirstSample | null
  stop: Stop | null
  similar: boolean
  boxes: boolean
  box_counts: BoxCounts | null
  nothing: string
  several: number
  commands: Command[]
  scores: string[]
  notes: string[]
  settings: Record<string, unknown>
  reviewers: Reviewer[]
  agreement: Agreement[]
  known: number
  ranking: number
  samples: SampleProgress[]
  cells: Cell[]
  cells_rest: Rest
  class_health: ClassHealth[]
  class_health_rest: Rest
  reliability: ReliabilityBin[]
  trail: TrailStep[]
  readonly: boolean
  data_error: string | null
}

/** A change: the number of the last row of the journal. */
export type Event = {
  seq: number
}

/** The answer of each route. */
export type Answers = {
  '/api/run': Run
  '/api/view': View
  '/api/items': Window
  '/api/where': Position
  '/api/item/': Detail
  '/api/similar/': Similar
  '/api/classes': ClassCount[]
  '/api/histogram': Histogram
  '/api/map': MapStatus
  '/api/gallery': Gallery
  '/api/groups': Groups
  '/api/decisions': Saved
  '/api/undo': Undone
  '/api/redo': Undone
  '/api/rerank': Reranked
  '/api/sample': Drawn
  '/api/events': Event
}
