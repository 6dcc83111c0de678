"""What the server answers: the shape of every JSON answer of the review page, and which route sends it.

`web/api_types.py` writes the page's TypeScript types from this file, and the tests compare real answers with it. So a
field that is added, dropped, renamed or of another type on one side only fails a test.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Act = Literal["keep", "relabel", "exclude", "ambiguous", "later"]
State = Literal["open", "keep", "relabel", "exclude", "ambiguous", "later", "conflict", "decided"]
Kind = Literal["image", "text", "features", "probs"]


class Estimate(TypedDict):
    """A number of labels; low to high is a 95 % interval once it is measured, and depends on assumptions before."""

    low: float
    count: float
    high: float


class Progress(TypedDict):
    """How far the review is: `wrong` labels in all, and those `left` among the examples without a decision; `measured`
    says whether reviews measured both."""

    wrong: Estimate
    left: Estimate
    measured: bool
    reviewed: int
    found: int
    doubted: int


class Stop(TypedDict):
    """Where the yield becomes low: examples `before` that point, the `rest` after it, and the wrong labels expected
    there."""

    before: int
    rest: int
    wrong: float
    one_in: int | None


class StopAt(Stop):
    """The same with its position in a view."""

    at: int


class Cell(TypedDict):
    """One cell of the confusion matrix: examples, expected wrong labels, and examples without a decision."""

    given: str
    other: str
    count: int
    expected: float
    open: int


class Choice(TypedDict):
    """What one reviewer chose for an example."""

    act: Act
    label: str | None


class Verdict(Choice):
    """The choice on which all reviewers agree."""

    reviewer: str


class NamedValue(TypedDict):
    """One column of a row."""

    name: str
    value: str


class Feature(TypedDict):
    """One feature of a row; the quartiles of both classes and what it speaks for are left out in blind mode."""

    name: str
    value: float | None
    z: float | None
    given: NotRequired[list[float | None]]
    likely: NotRequired[list[float | None]]
    speaks: NotRequired[float]  # log-likelihood ratio: positive for the likely class, negative for the given one


class ModelReason(TypedDict):
    """The model's probabilities for the likely and for the given label."""

    code: Literal["model"]
    likely: float
    given: float


class NeighbourReason(TypedDict):
    """The share of the neighbours with the given label; `of` is their number where there are few."""

    code: Literal["neighbours"]
    agree: float
    of: NotRequired[int]


class VotesReason(TypedDict):
    """How many of the votes are for the given label."""

    code: Literal["votes"]
    agree: int
    of: int


class PlacementReason(TypedDict):
    """Where a box probably lies, and how probably."""

    code: Literal["placement"]
    kind: Literal["beside", "too_small", "too_large"]
    p: float


class BareReason(TypedDict):
    """A reason without numbers."""

    code: Literal["no_neighbours", "duplicate"]


Reason = ModelReason | NeighbourReason | VotesReason | PlacementReason | BareReason


class Item(TypedDict):
    """One example in short. In blind mode the fields that reveal the given label are null."""

    i: int
    id: str
    given: str | None
    other: str | None
    p: float | None
    doubted: bool | None
    flagged: bool | None
    state: State
    decision: Verdict | None
    mine: Choice | None
    asked: str | None
    text: str | None
    values: list[NamedValue] | None
    split: str | None


class Score(TypedDict):
    """One detector's score, the share of all examples with a lower one, and the detector's own flag and suggestion."""

    name: str
    value: float | None
    percentile: float
    flagged: bool | None
    suggested: str | None


class Curve(TypedDict):
    """The loss of an example per epoch, beside the median and the middle 80 % of its class."""

    loss: list[float | None]
    median: list[float | None]
    low: list[float | None]
    high: list[float | None]


class ClassProbability(TypedDict):
    """One class and its probability."""

    label: str
    p: float | None


class Neighbour(TypedDict):
    """One of the nearest neighbours."""

    i: int
    id: str
    given: str
    similarity: float | None
    state: State
    text: str | None
    values: list[NamedValue] | None


class HistoryEntry(Choice):
    """One decision in the journal; `stands` is false where it was undone."""

    reviewer: str
    at: str
    stands: bool
    pick: str
    blind: bool
    note: str


class Vote(TypedDict):
    """One annotator's vote: `who` is a number of the annotator, for a colour; `agrees` with the consensus of all votes;
    `p` is the probability that it is right."""

    annotator: str
    who: int
    label: str
    agrees: bool
    p: float


class Detail(Item):
    """One example with all its evidence."""

    rank: int | None
    reason: str | None
    reasons: list[Reason]
    features: list[Feature] | None
    features_total: int
    columns: list[NamedValue]
    note: str
    scores: list[Score]
    curve: Curve | None
    top: list[ClassProbability] | None
    neighbours: list[Neighbour]
    duplicates: list[int]
    twins: list[Item]
    history: list[HistoryEntry]
    votes: list[Vote]


class Counts(TypedDict):
    """Examples of a view by state; `flagged` is null in blind mode."""

    open: int
    decided: int
    later: int
    conflict: int
    flagged: int | None
    all: int


class View(TypedDict):
    """The figures of a view; `standing` counts the examples that still are in its state, `pace` is in seconds per
    example."""

    total: int
    counts: Counts
    doubted: int | None
    cells: list[Cell]
    standing: int
    suggested: int | None
    stop: StopAt | None
    pace: float | None
    progress: Progress
    seq: int


class Window(TypedDict):
    """Some examples of a view, from position `at` on."""

    total: int
    at: int
    items: list[Item]


class Similar(TypedDict):
    """Examples that are similar to one example, most similar first."""

    items: list[Item]


class Position(TypedDict):
    """The position of an example in a view, -1 where it is not in it."""

    at: int


class ClassCount(TypedDict):
    """A class and its number of examples."""

    label: str
    n: int


class Histogram(TypedDict):
    """Examples per bin of p(wrong): without a decision, and reviewed."""

    left: list[int]
    reviewed: list[int]


class MapStatus(TypedDict):
    """Whether the map can be shown, and why not."""

    state: Literal["ready", "making", "none"]
    why: str
    n: int


class ClassExamples(TypedDict):
    """Typical examples of one class."""

    label: str
    n: int
    examples: list[Item]


class Gallery(TypedDict):
    """Typical examples of some classes; `total` is the number of classes."""

    total: int
    items: list[ClassExamples]


class Group(TypedDict):
    """A group of duplicates: the first `members`, and the positions of all. It `leaks` if its members are in several
    splits. In blind mode `disagree` is null."""

    disagree: bool | None
    leaks: bool
    members: list[Item]
    rows: list[int]


class Groups(TypedDict):
    """Some groups of duplicates: `total` fit the filter, `all` exist, in `disagree` of them the labels differ, and
    `leaks` are in several splits."""

    total: int
    all: int
    disagree: int | None
    leaks: int
    items: list[Group]


class Saved(TypedDict):
    """The answer to a batch of decisions; `left_alone` is the number of examples without a suggestion."""

    saved: int
    states: dict[str, State]
    progress: Progress
    left_alone: int


class Batch(TypedDict):
    """A batch in short: the number of examples, the first one, and the act and class where all have the same."""

    n: int
    i: int | None
    id: str | None
    act: Act | None
    label: str | None


class Undone(TypedDict):
    """The answer to an undo or a redo; `undone` is null where there was nothing to undo."""

    undone: str | None
    what: Batch | None
    at_item: int | None
    saved: int
    states: dict[str, State]
    progress: Progress


class Reranked(TypedDict):
    """The version of the new order, and the estimates with it."""

    ranking: int
    calibrated: Progress


class Drawn(TypedDict):
    """A random sample."""

    name: str
    size: int


class SampleProgress(Drawn):
    """A random sample, and how many of its examples are reviewed."""

    done: int


class Meaning(TypedDict):
    """What a class means; `example` is the position of an example."""

    name: str
    guideline: str
    example: int | None


class Cut(TypedDict):
    """The examples with p(wrong) of at least `cut`, and the share of them that is expected to be wrong."""

    cut: float
    expected: float | None
    rows: int


class PlanStep(TypedDict):
    """After `review` more examples, this share (`catch`) and number (`wrong`) of the remaining wrong labels is
    found."""

    review: int
    catch: float
    wrong: float


class States(TypedDict):
    """The number of examples in each state."""

    open: int
    keep: int
    relabel: int
    exclude: int
    ambiguous: int
    later: int
    conflict: int


class FirstSample(TypedDict):
    """The random sample to begin with, and the figures that show why."""

    name: str
    size: int
    minutes: int
    count: float
    low: float
    high: float
    doubted: int


class Command(TypedDict):
    """A command to run next, and what it is for."""

    command: str
    why: str


class Reviewer(TypedDict):
    """One reviewer: decisions, suggestions taken, agreement with others, and answers on known examples."""

    name: str
    decisions: int
    suggestions_taken: float | None
    shared: int
    agreement: float | None
    planted: int
    planted_right: int


class Agreement(TypedDict):
    """Agreement between reviewers on one class, or on all (label null)."""

    label: str | None
    examples: int
    agree: float
    kappa: float | None


class Rest(TypedDict):
    """What a list leaves out."""

    n: int
    expected: float


class ClassHealth(TypedDict):
    """Expected wrong labels of one class."""

    label: str
    n: int
    expected: float
    rate: float
    mostly: str


class ReliabilityBin(TypedDict):
    """Reviewed examples with similar p(wrong): the mean of it, and the share with a wrong label."""

    low: float
    high: float
    expected: float
    observed: float
    n: int


class TrailStep(Estimate):
    """The estimate after a number of reviewed examples."""

    reviewed: int


class BoxCounts(TypedDict):
    """Boxes and crops without a box, and how many of each are expected to be wrong."""

    boxes: int
    wrong: float
    crops: int
    overlooked: float


class Run(TypedDict):
    """Everything the overview shows."""

    id: str
    name: str
    source: str
    kind: Kind
    n: int
    classes: list[str]
    splits: list[str]
    leaks: list[str]
    guide: dict[str, Meaning]
    duplicates: int
    map: bool
    estimate: Estimate
    calibrated: Progress
    precision_at: list[Cut]
    plan: list[PlanStep]
    states: States
    flagged: int
    flags_expected: float | None
    reviewer: str
    first: FirstSample | None
    stop: Stop | None
    similar: bool
    boxes: bool
    box_counts: BoxCounts | None
    nothing: str
    several: int
    commands: list[Command]
    scores: list[str]
    notes: list[str]
    settings: dict[str, Any]
    reviewers: list[Reviewer]
    agreement: list[Agreement]
    known: int
    ranking: int
    samples: list[SampleProgress]
    cells: list[Cell]
    cells_rest: Rest
    class_health: list[ClassHealth]
    class_health_rest: Rest
    reliability: list[ReliabilityBin]
    trail: list[TrailStep]
    readonly: bool
    data_error: str | None


class Event(TypedDict):
    """A change: the number of the last row of the journal."""

    seq: int


ANSWERS: dict[str, Any] = {
    "/api/run": Run,
    "/api/view": View,
    "/api/items": Window,
    "/api/where": Position,
    "/api/item/{i}": Detail,
    "/api/similar/{i}": Similar,
    "/api/classes": list[ClassCount],
    "/api/histogram": Histogram,
    "/api/map": MapStatus,
    "/api/gallery": Gallery,
    "/api/groups": Groups,
    "/api/decisions": Saved,
    "/api/undo": Undone,
    "/api/redo": Undone,
    "/api/rerank": Reranked,
    "/api/sample": Drawn,
    "/api/events": Event,
}
