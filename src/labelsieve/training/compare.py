"""Robust methods side by side: a head on features per method and seed, and its accuracy on other data.

Methods that treat every example independently train together, with all their seeds in one sweep
(`engine/many_heads.py`); the others train one head after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelsieve import methods
from labelsieve.core.arguments import require_texts, require_whole
from labelsieve.core.dataset import KINDS, Dataset, Exclusion, require_classes
from labelsieve.core.errors import EmptyClass, UserError
from labelsieve.core.extras import need_torch
from labelsieve.core.files import scratch
from labelsieve.data import as_dataset, load_test
from labelsieve.engine.progress import with_progress
from labelsieve.methods import TOGETHER
from labelsieve.training import noise_rate
from labelsieve.training.classifier import Progress, read_inputs

if TYPE_CHECKING:
    import torch
    from torch import nn

    from labelsieve.engine.samples import Samples

HELD_OUT = 0.2
FEWEST = 10  # held-out labels; with fewer, each label counts more than ten percentage points
# 97.5 % quantiles of Student's t, 1 to 10 degrees of freedom
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Row:
    """The result of one method.

    Attributes:
        accuracy: share of the test data on which its heads predict the given label, mean over seeds.
        margin: half of the 95 % interval of that mean over seeds, by Student's t; None for one seed. The uncertainty
            from the choice of the test data is not included; it is the same for all methods.
        each: the accuracy of each seed.
        seconds: duration of its training; methods that trained together share the seconds of the sweep.
        together: whether it trained in one sweep with others.
        settings: its hyper-parameters.
    """

    method: str
    accuracy: float
    margin: float | None
    each: tuple[float, ...]
    seconds: float
    together: bool
    settings: dict[str, Any]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Methods side by side.

    Attributes:
        rows: the results of the methods, the most accurate first.
        trained_on, tested_on: numbers of examples.
        held_out: the test data are a part of the data, whose labels may be wrong.
        excluded: examples of both data sets that could not be used, and why.
        noise: the share of wrong labels that methods that need it got; None if no method needs it or `find` cannot
            estimate it.
        notes: the notes of `load` on both data sets.
    """

    rows: tuple[Row, ...]
    trained_on: int
    tested_on: int
    held_out: bool
    excluded: tuple[Exclusion, ...]
    noise: float | None
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        best = self.rows[0]
        result = f"{best.method} is best: {best.accuracy:.4f} on {self.tested_on:,} examples"
        return f"Comparison({len(self.rows)} methods; {result})"


@with_progress
def compare(
    data: Dataset | Any,
    *,
    test: Dataset | Any = None,
    methods: str | Sequence[str] | None = None,
    seeds: int = 5,
    epochs: int | None = None,
    encoder: str | None = None,
    side: int | None = None,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    id: str | None = None,
    labels: Any = None,
    split: str | Sequence[str] | None = None,
    device: str | None = None,
    progress: Progress | Literal[False] | None = None,
) -> Comparison:
    """Train linear heads on features with several methods and seeds, and measure each on other data.

    Methods that need the share of wrong labels get the estimate of `find` on the features, as in `train`. There are
    many parameters because five of them name columns of a table, as in `ls.load`.

    Args:
        data: features, or images or texts for the encoder: a `Dataset`, or anything `ls.load` takes.
        test: data of the same kind whose labels can be trusted; None holds out about a fifth of each class of `data`
            (rounded; none of one or two examples), with the labels as they are.
        methods: names from `labelsieve.methods.METHODS`, a list or separated by commas; by default all that train in
            one sweep.
        seeds: number of heads per method, each with its own shuffling.
        epochs: number of epochs instead of each method's default.
        encoder, side: as in `find`.
        image, text, label, id: columns of both tables.
        labels, split: given labels to use instead of those in `data`, and the splits of it to read, as in `ls.load`.
        device: "cpu", "cuda", "mps"; None takes a GPU if there is one.
        progress: called with (sentence, done, total). None draws a bar on stderr in a terminal and in a notebook,
            False never.

    Raises:
        UserError: a method does not exist, or the data cannot be used.

    >>> ls.compare("features.npz", test="test.npz").rows[0].method  # doctest: +SKIP
    'm-dyr-h'
    """
    need_torch("compare")
    from labelsieve.engine.device import pick

    if epochs is not None and require_whole(epochs, "epochs") < 1:
        raise UserError(f"<epochs> is {epochs}; give 1 or more.", epochs="")
    functions = {name: _with_settings(name, epochs) for name in _names(methods)}
    seeds, where = require_whole(seeds, "seeds, the number of heads per method,"), pick(device)
    if seeds < 1:
        raise UserError(f"<seeds> is {seeds}; it must be 1 or more.", seeds="")
    columns = {"image": image, "text": text, "label": label, "id": id}
    data = as_dataset(data, labels=labels, split=split, **columns)
    progress = progress or None
    two_sets = _two_sets(data, _test_data(test, data, columns), encoder, side, progress)
    noise = _noise(functions, two_sets, progress)
    if noise is not None:
        functions = {name: partial(f, noise=noise) if "noise" in f.keywords else f for name, f in functions.items()}
    try:
        rows = _train(two_sets.ready.to(where), two_sets.tested.to(where), functions, range(seeds), progress)
    except EmptyClass as error:
        raise error.named(two_sets.data.classes) from error
    rows.sort(key=lambda row: -row.accuracy)
    n, m = len(two_sets.data), len(two_sets.test)
    return Comparison(tuple(rows), n, m, test is None, two_sets.excluded, noise, two_sets.notes)


@dataclass(frozen=True, eq=False)
class _TwoSets:
    """The training and the test data, with the features of the former and the samples of both."""

    data: Dataset
    test: Dataset
    inputs: np.ndarray
    ready: Samples
    tested: Samples
    excluded: tuple[Exclusion, ...]
    notes: tuple[str, ...]


def _names(methods: Any) -> tuple[str, ...]:
    """The names of the methods, each once."""
    if methods is None:
        return TOGETHER
    names = methods.split(",") if isinstance(methods, str) else require_texts(methods, "methods")
    if not names:
        raise UserError("<methods> is empty; name at least one method, or leave it out.", methods="")
    return tuple(dict.fromkeys(name.strip() for name in names))


def _test_data(test: Any, data: Dataset, columns: dict[str, str | None]) -> Dataset | None:
    """The test data; for features, with the columns of the training data."""
    if test is not None and not isinstance(test, Dataset):
        test = load_test(test, feature_columns=data.columns and data.columns.names, **columns)
    if test is not None and test.kind != data.kind:
        of, other = data.source or "the data", test.source or "The test data"
        raise UserError(
            f"{other} holds {KINDS[test.kind]}, but {of} holds {KINDS[data.kind]}; the test data must be of the same "
            "kind."
        )
    return test


def _two_sets(
    data: Dataset, test: Dataset | None, encoder: str | None, side: int | None, progress: Progress | None
) -> _TwoSets:
    """Read the features of both data sets; without test data, hold out a part of the data."""
    from labelsieve.engine.inputs import samples

    with scratch() as folder:
        take = {"kind": "features", "encoder": encoder, "side": side}
        if data.kind == "features" and (encoder is not None or side is not None):
            raise UserError("These data are features already; leave out <encoder> and <side>.", encoder="", side="")
        data, inputs, take = read_inputs(data, folder / "data", take, progress)
        require_classes(data)
        excluded = data.excluded
        if test is None:
            chosen = _a_part_of_each_class(data)
            data, test, inputs, others = data.take(~chosen), data.take(chosen), inputs[~chosen], inputs[chosen]
        else:
            test, others, _ = read_inputs(test, folder / "test", take, progress)
            excluded = (*excluded, *test.excluded)
        if len(test) == 0:
            raise UserError(f"No example of {test.source or 'the test data'} could be read.")
        labels = _positions(test, data.classes)
        if others.shape[1] != inputs.shape[1]:
            of, other = data.source or "the data", test.source or "The test data"
            raise UserError(f"{other} has {others.shape[1]} features, but {of} has {inputs.shape[1]}.")
        ready, scale = samples(inputs, data.labels, len(data.classes))
        tested, _ = samples(others, labels, len(data.classes), scale)
    notes = (*data.notes, *(f"Test data: {note}" for note in test.notes if note not in data.notes))
    return _TwoSets(data, test, inputs, ready, tested, excluded, notes)


def _noise(functions: dict[str, partial], two_sets: _TwoSets, progress: Progress | None) -> float | None:
    """The share of wrong labels that `find` estimates, if a method needs it and `find` can estimate it."""
    if not any("noise" in function.keywords for function in functions.values()):
        return None
    features = replace(two_sets.data, kind="features", inputs=two_sets.inputs)
    return noise_rate.estimated(features, None, "", seed=0, progress=progress)[0]


def _with_settings(name: str, epochs: int | None) -> partial:
    """The method with its settings for features; every keyword is bound."""
    settings = methods.all_for_features(name) | ({} if epochs is None else {"epochs": epochs})
    return partial(methods.method(name), **settings)


def _a_part_of_each_class(data: Dataset) -> np.ndarray:
    """A mask (n,) of a random fifth of each class, in whole examples: none of one or two, one of three."""
    labels = data.labels
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    sizes = np.bincount(labels)
    place = np.arange(len(labels)) - np.repeat(sizes.cumsum() - sizes, sizes)
    mask = np.zeros(len(labels), bool)
    mask[order] = place < np.round(HELD_OUT * sizes)[labels[order]]
    if mask.sum() < FEWEST:
        raise UserError(
            f"{data.source or 'The data'} has {len(labels)} examples, and {mask.sum()} of them can be held out. That "
            f"is too few to compare methods (at least {FEWEST} are needed); pass test data with <test>.",
            test="",
        )
    return mask


def _positions(test: Dataset, classes: tuple[str, ...]) -> np.ndarray:
    unknown = [name for name in test.classes if name not in classes]
    if unknown:
        raise UserError(
            f"{test.source or 'The test data'} has the class {unknown[0]!r}, which is not in the training data."
        )
    return np.array([classes.index(name) for name in test.classes])[test.labels]


def _train(
    ready: Samples, tested: Samples, functions: dict[str, partial], seeds: range, progress: Progress | None
) -> list[Row]:
    rows = []
    sweeps: dict[int, list[str]] = {}
    for name in functions:
        if name in TOGETHER:
            sweeps.setdefault(functions[name].keywords["batch"], []).append(name)
    for names in sweeps.values():
        rows += _sweep(ready, tested, {name: functions[name] for name in names}, seeds, progress)
    for name, function in functions.items():
        if name not in TOGETHER:
            rows.append(_alone(ready, tested, name, function, seeds, progress))
    return rows


def _sweep(
    ready: Samples, tested: Samples, functions: dict[str, partial], seeds: range, progress: Progress | None
) -> list[Row]:
    from labelsieve.engine.many_heads import together
    from labelsieve.engine.trained import Trained

    start = perf_counter()
    settings = {name: function.keywords for name, function in functions.items()}
    recipes = [methods.head_recipe(name)(ready, len(seeds), own) for name, own in settings.items()]
    batch = next(iter(settings.values()))["batch"]
    made = together(ready, recipes, seeds, batch=batch, progress=progress)
    seconds = perf_counter() - start
    return [
        _row(
            name,
            [_accuracy(Trained((net,)), tested) for net in nets],
            seconds,
            functions[name],
            together=len(functions) > 1,
        )
        for name, nets in zip(functions, made, strict=True)
    ]


def _alone(
    ready: Samples, tested: Samples, name: str, function: partial, seeds: range, progress: Progress | None
) -> Row:
    from labelsieve.engine.session import Session
    from labelsieve.networks import network

    width, device = ready.inputs.shape[1], ready.inputs.device
    make: Callable[[int], nn.Module] = lambda classes: network("linear", images=False, width=width)(classes).to(device)  # noqa: E731
    each, seconds = [], 0.0
    for seed in seeds:
        start = perf_counter()
        trained = function(ready, make, Session(len(ready), seed=seed))
        seconds += perf_counter() - start
        each.append(_accuracy(trained, tested))
        if progress:
            progress(name, seed + 1, len(seeds))
    return _row(name, each, seconds, function, together=False)


def _accuracy(trained: Any, tested: Samples) -> float:
    predicted: torch.Tensor = trained.logits(tested).argmax(1)
    return (predicted == tested.labels).double().mean().item()


def _row(name: str, each: list[float], seconds: float, function: partial, *, together: bool) -> Row:
    n = len(each)
    margin = None
    if n > 1:
        quantile = _T[n - 2] if n - 2 < len(_T) else 1.96 + 2.7 / (n - 1)
        margin = float(quantile * np.std(each, ddof=1) / n**0.5)
    return Row(name, float(np.mean(each)), margin, tuple(each), seconds, together, dict(function.keywords))
