"""The data set: ids, given labels, class names and inputs that are read when needed. It holds no true labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.feature_columns import FeatureColumns
from labelsieve.core.input_parts import Inputs, groups, part, row_bytes
from labelsieve.core.read_many import read_many
from labelsieve.core.vote_list import Votes

if TYPE_CHECKING:
    from labelsieve.core.questions import Questions

Kind = Literal["image", "text", "features", "probs"]
KINDS: dict[Kind, str] = {"image": "images", "text": "texts", "features": "features", "probs": "probabilities"}


FEW = 100_000  # row numbers that are Python strings, which take five times the memory
_HASHED = 1 << 16  # ids that are hashed at a time


@dataclass(frozen=True)
class Exclusion:
    """One example that was left out, and why. Exclusions are stored in the run folder and counted in the summary."""

    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """A classification data set, n examples in K classes.

    Attributes:
        ids: (n,) object array of str, unique: the user's own ids (a path inside the folder, a key column, a row
            number). Row numbers of more than 100,000 examples are an array of NumPy's StringDType, whose items are str
            too.
        labels: (n,) int64, the given labels as positions in `classes`.
        classes: the K class names, in the order of the labels (numbers in numeric order, anything else as text).
        inputs: n inputs, read only when indexed. kind "image": encoded bytes or uint8 array (H, W), (H, W, 3) or (H, W,
            4); "text": str; "features": a (n, d) float array, maybe memory-mapped; "probs": a (n, K) array of
            probabilities.
        kind: what the inputs are.
        source: what the user named (a path or address).
        groups: (n,) object array of str (annotator, batch, patient), or None.
        splits: (n,) object array of str (train, test, ...), None where an example is in no split; None without splits.
        excluded: what was left out while reading.
        notes: sentences that the user should read: how the text was decoded, class names that look alike.
        recipe: the arguments of `labelsieve.load` or `load_probabilities` that read it again, if all of them are text;
            else None.
        columns: the table columns that became features, by name; None if they have no names.
        probs: (n, K) the user's own out-of-sample probabilities, which then judge the labels; None without them.
        handed: where `recipe` is None, the arguments of `load` or `load_probabilities`, which may include values in
            memory.
        rows: (n,) int64, the position of each example among all rows (files, items) of its source.
        named: the ids are names from the source, not row numbers.
        length: how many rows the source had, including those that were left out.
        label_column: the source's column of labels; "" if they do not come from a column.
        votes: of several annotators on the examples; None without them.
        bands: of TIFF files of several bands those that are read as red, green and blue, or the one read as grey,
            counted from 1; () is the first three.
        questions: of examples with several labels each; an example of this data set is then one question about one of
            them. None for one label each.
    """

    ids: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    inputs: Sequence[Any] | np.ndarray
    kind: Kind
    source: str = ""
    groups: np.ndarray | None = None
    excluded: tuple[Exclusion, ...] = field(default=())
    notes: tuple[str, ...] = ()
    recipe: Mapping[str, str] | None = None
    columns: FeatureColumns | None = None
    probs: np.ndarray | None = None
    handed: Mapping[str, Any] | None = field(default=None, repr=False)
    rows: np.ndarray = None  # pyright: ignore[reportAssignmentType]  # filled in below: 0 to n - 1
    named: bool = False
    length: int = -1  # filled in below: the number of examples
    label_column: str = ""
    votes: Votes | None = None
    bands: tuple[int, ...] = ()
    splits: np.ndarray | None = None
    questions: Questions | None = None

    def __post_init__(self) -> None:
        if not hasattr(self.labels, "__len__"):
            raise UserError(
                f"The labels of a Dataset must be an array (n,) of positions in its classes, not {self.labels!r}."
            )
        if self.rows is None:
            object.__setattr__(self, "rows", np.arange(len(self.labels)))
        if self.length < 0:
            object.__setattr__(self, "length", len(self.labels))

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        left_out = f", {len(self.excluded):,} left out" if self.excluded else ""
        return (
            f"<Dataset {self.source or 'in memory'!r}: {len(self):,} of kind {self.kind!r}, {len(self.classes):,} "
            f"classes{left_out}>"
        )

    def take(self, keep: np.ndarray, excluded: Sequence[Exclusion] = ()) -> Dataset:
        """The examples where the mask (n,) `keep` is true; `excluded` says why the others were left out. The classes do
        not change."""
        if keep.all():
            return self
        return replace(self.pick(np.flatnonzero(keep)), excluded=(*self.excluded, *excluded))

    def pick(self, rows: np.ndarray) -> Dataset:
        """The examples at the positions `rows` (m,), in that order."""
        inputs = self.inputs[rows] if isinstance(self.inputs, np.ndarray) else Subset(self.inputs, rows)
        groups = None if self.groups is None else self.groups[rows]
        probs = None if self.probs is None else self.probs[rows]
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels[rows],
            inputs=inputs,
            groups=groups,
            probs=probs,
            rows=self.rows[rows],
            votes=None if self.votes is None else self.votes.pick(rows),
            splits=None if self.splits is None else self.splits[rows],
            questions=None if self.questions is None else self.questions.pick(rows),
        )

    def by_name(self, names: Sequence[str] | None) -> Dataset:
        """The data with features in the order of the columns `names` (d,); other columns are left out, with a note.
        Unchanged if the features have no names, or `names` is None.

        Raises:
            UserError: a column is missing.
        """
        if self.columns is None or names is None or tuple(names) == self.columns.names:
            return self
        places, columns = self.columns.positions(names, self.source or "The data"), self.columns.only(names)
        others = [note for note in self.notes if note not in self.columns.notes]
        return replace(
            self, inputs=np.asarray(self.inputs)[:, places], columns=columns, notes=(*columns.notes, *others)
        )

    def fingerprint(self) -> str:
        """A hash of ids, given labels and classes (the inputs have their own, see `encode`)."""
        digest = hashlib.sha256("\0".join(self.classes).encode("utf-8", "surrogatepass"))
        digest.update(self.labels.tobytes())
        for start in range(0, len(self.ids), _HASHED):
            joined = "\0".join(self.ids[start : start + _HASHED])
            digest.update((joined if not start else "\0" + joined).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:32]


def row_numbers(n: int) -> np.ndarray:
    """(n,) the ids "0", "1", ... as in `Dataset`."""
    numbers = np.arange(n)
    return np.array(numbers.astype(str), object) if n <= FEW else numbers.astype(np.dtypes.StringDType())


class Subset(Sequence):
    """Some rows of a lazily read sequence, in a new order."""

    def __init__(self, inputs: Sequence[Any] | np.ndarray, rows: np.ndarray):
        self._inputs, self._rows = inputs, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> Any:
        return self._inputs[int(self._rows[i])]

    def many(self, positions: Sequence[int], again: bool = False) -> Iterator[Any]:
        """As `core.read_many`."""
        return read_many(self._inputs, self._rows[positions], again=again)

    @property
    def listing(self) -> Any:
        """What was listed to find inputs that are files; inputs of other kinds have no such attribute."""
        inner: Any = self._inputs
        return inner.listing

    def part(self, rows: np.ndarray) -> Inputs:
        return part(self._inputs, self._rows[rows])

    @property
    def groups(self) -> np.ndarray | None:
        at = groups(self._inputs)
        return None if at is None else at[self._rows]

    @property
    def row_bytes(self) -> float:
        return row_bytes(self._inputs)

    @property
    def paths(self) -> list[str]:
        """The paths of inputs that are files; inputs of other kinds have no such attribute."""
        inner: Any = self._inputs
        paths = inner.paths
        return [paths[int(row)] for row in self._rows]


def encode_labels(values: Sequence[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels of any kind -> positions (n,) int64 and class names. Numbers sort as numbers, anything else as text."""
    names = [_name(value) for value in values]
    unique = set(names)
    try:
        classes = tuple(sorted(unique, key=lambda name: (float(name), name)))
    except ValueError:
        classes = tuple(sorted(unique))
    position = {name: i for i, name in enumerate(classes)}
    return np.fromiter((position[name] for name in names), np.int64, len(names)), classes


def _name(value: Any) -> str:
    """3.0 and 3 are the same class; tables turn integer columns with gaps into floats."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def require_examples(dataset: Dataset) -> Dataset:
    """The data set itself, if it has an example.

    Raises:
        UserError: it has none; the message gives the reason why the first was left out.
    """
    if len(dataset):
        return dataset
    left = (
        f"; all {len(dataset.excluded)} were excluded, the first because: {dataset.excluded[0].reason}"
        if dataset.excluded
        else ""
    )
    raise UserError(f"{dataset.source or 'the data'} holds no usable example{left}.")


def require_classes(dataset: Dataset) -> Dataset:
    """The data set itself, if it has at least two classes.

    Raises:
        UserError: no example, or fewer than two classes.
    """
    present = np.unique(require_examples(dataset).labels)
    if len(present) < 2:
        only = dataset.classes[present[0]]
        where = dataset.source or "the data"
        raise UserError(f"{where} holds only one class ({only!r}); finding wrong labels needs at least two classes.")
    return dataset


def require_sound(dataset: Dataset) -> None:
    """Check a data set that was built by hand: as many ids and inputs as labels, and every label one of the classes.

    Raises:
        UserError: something does not fit; the message names the field.
    """
    labels: Any = dataset.labels
    n = len(labels)
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(
            "The labels of the Dataset are not an array (n,) of whole numbers; labelsieve.load makes one from any "
            "labels."
        )
    if dataset.kind not in KINDS:
        raise UserError(f"The Dataset is of kind {dataset.kind!r}; choose from {', '.join(KINDS)}.")
    for what in ("ids", "inputs", "rows", "groups", "probs", "splits"):
        value: Any = getattr(dataset, what)
        if value is None and what in ("groups", "probs", "splits"):
            continue
        held = f"{len(value)} {what}" if isinstance(value, Sized) else f"{what} of type {type(value).__name__}"
        if not isinstance(value, Sized) or len(value) != n:
            raise UserError(f"The Dataset holds {held} for {n} labels; give one for each label.")
    if not isinstance(dataset.ids, np.ndarray):
        raise UserError("The ids of the Dataset are not an array (n,) of text; labelsieve.load makes them.")
    if isinstance(dataset.classes, str) or not all(isinstance(name, str) for name in dataset.classes):
        raise UserError("The classes of the Dataset are not a tuple of names.")
    if n and not (labels.min() >= 0 and labels.max() < len(dataset.classes)):
        outside = labels[(labels < 0) | (labels >= len(dataset.classes))][0]
        raise UserError(
            f"The Dataset holds the label {outside}; its {len(dataset.classes)} classes are 0 to "
            f"{len(dataset.classes) - 1}."
        )
