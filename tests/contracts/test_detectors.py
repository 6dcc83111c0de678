"""What every detector must do, whoever wrote it."""

import inspect
import re
from dataclasses import replace

import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.core.evidence import NAMES, Evidence, Neighbours
from labelsieve.core.record import Record
from labelsieve.core.vote_list import Votes, in_order
from labelsieve.detectors import DETECTORS, detector
from labelsieve.detectors.detector_settings import check
from labelsieve.stats.neighbours import nearest

CARD = ("Paper:", "Good at:", "Bad at:", "Numbers:", "Differs:", "Cost:")
EPOCHS = 8


def toy(n=600, n_classes=4, wrong=0.15, seed=0, dtype=np.float32):
    """Evidence about Gaussian blobs, as if from heads that see the blobs; and which labels are wrong."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % n_classes
    labels = np.where(rng.random(n) < wrong, (truth + rng.integers(1, n_classes, n)) % n_classes, truth)
    features = (rng.normal(size=(n, 12)) + 3 * rng.normal(size=(n_classes, 12))[truth]).astype(np.float32)
    return evidence(labels, n_classes, truth, features, rng, dtype), labels != truth


def evidence(labels, n_classes, truth, features, rng, dtype=np.float32):
    n = len(labels)

    def logits(noise=1.0, classes=n_classes):
        return noise * rng.normal(size=(n, classes)) + 3 * (np.arange(classes) == truth[:, None])

    def probs():
        p = np.exp(logits())
        return (p / p.sum(1, keepdims=True)).astype(dtype)

    def record(given, classes=n_classes):
        made = Record.empty(EPOCHS, n)
        for epoch in range(EPOCHS):
            made.write(epoch, slice(None), logits(classes=classes), given)
        return made

    fake = rng.random(n) < 0.2
    halves = [
        (record(np.where(mask, n_classes, labels), n_classes + 1), mask)
        for mask in (fake, ~fake & (rng.random(n) < 0.2))
    ]
    five = [probs() for _ in range(5)]
    made = Evidence(
        labels, n_classes, features, nearest(features, 15), *five, record(labels), record(labels), tuple(halves)
    )
    example, who = np.repeat(np.arange(n), 3), np.tile(np.arange(3), n)
    said = np.where(rng.random(3 * n) < 0.7, truth[example], rng.integers(0, n_classes, 3 * n))
    votes = in_order(example, who, said, ("a", "b", "c"), n)
    assert votes.of(1) == range(3, 6)
    views = np.exp(rng.normal(size=(n, 4)) + 3 * (np.arange(4) == (labels != truth)[:, None]))  # a box, or moved
    return replace(made, votes=votes, views=(views / views.sum(1, keepdims=True)).astype(np.float32))


def call(name, what):
    function = detector(name)
    return function(**{field: getattr(what, field) for field in parameters(function)})


def parameters(function):
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY]


def take(what, order):
    """The same evidence with the examples in another order."""
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))

    def record(r):
        return Record(r.loss[:, order], r.margin[:, order], r.p_y[:, order], r.argmax[:, order])

    moved = {}
    for name in NAMES:
        value = getattr(what, name)
        if isinstance(value, Record):
            value = record(value)
        elif isinstance(value, Neighbours):
            value = Neighbours(place[value.index[order]], value.similarity[order])
        elif isinstance(value, Votes):
            value = value.pick(order)
        elif isinstance(value, tuple):
            value = tuple((record(r), mask[order]) for r, mask in value)
        elif isinstance(value, np.ndarray):
            value = value[order]
        moved[name] = value
    return Evidence(**moved)


def arrays(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from arrays(part)
    elif hasattr(value, "__dict__"):
        yield from arrays(list(vars(value).values()))


def auroc(score, wrong):
    above = (score[wrong][:, None] > score[~wrong]).mean() + 0.5 * (score[wrong][:, None] == score[~wrong]).mean()
    return float(above)


def check_shape(scores, what):
    n = len(what.labels)
    assert scores.suspicion.shape == (n,)
    assert scores.suspicion.dtype in (np.float32, np.float64)
    assert np.isfinite(scores.suspicion).all()
    if scores.suggestion is not None:
        assert scores.suggestion.shape == (n,)
        assert scores.suggestion.dtype == np.int64
        assert ((scores.suggestion >= 0) & (scores.suggestion < what.n_classes)).all()
    if scores.flags is not None:
        assert scores.flags.shape == (n,)
        assert scores.flags.dtype == bool
    assert all(len(column) == n for column in scores.extra.values())


def test_an_unknown_name_is_told():
    with pytest.raises(UserError, match="knn_vote"):
        detector("knn_vot")


@pytest.mark.parametrize("name", DETECTORS)
class TestEveryDetector:
    def test_asks_for_known_evidence_and_gives_its_numbers_by_keyword(self, name):
        function = detector(name)
        assert set(parameters(function)) <= set(NAMES)
        keywords = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
        assert all(p.default is not p.empty for p in keywords)

    def test_its_settings_can_be_named_and_are_checked(self, name):
        own = {
            p.name: p.default for p in inspect.signature(detector(name)).parameters.values() if p.kind is p.KEYWORD_ONLY
        }
        assert check(name, own) == own
        for setting in own:
            for wrong in (object(), [], "no such thing", -1, float("nan")):
                with pytest.raises(UserError, match=f"{setting}.*{name}"):
                    check(name, {setting: wrong})

    def test_has_a_card(self, name):
        card = inspect.getmodule(detector(name)).__doc__
        assert [heading for heading in CARD if not re.search(f"^{heading}", card, re.MULTILINE)] == []

    def test_finds_most_wrong_labels_of_the_toy_set(self, name):
        what, wrong = toy()
        scores = call(name, what)
        check_shape(scores, what)
        assert auroc(scores.suspicion, wrong) > 0.85
        if scores.flags is not None:
            assert scores.flags[wrong].mean() > 0.5
            assert scores.flags[~wrong].mean() < 0.4

    def test_does_not_depend_on_the_order(self, name):
        what, wrong = toy()
        order = np.random.default_rng(1).permutation(len(wrong))
        straight, shuffled = call(name, what), call(name, take(what, order))
        np.testing.assert_allclose(shuffled.suspicion, straight.suspicion[order], rtol=1e-5, atol=1e-9)
        if straight.flags is not None:
            np.testing.assert_array_equal(shuffled.flags, straight.flags[order])
        if straight.suggestion is not None:
            np.testing.assert_array_equal(shuffled.suggestion, straight.suggestion[order])

    def test_leaves_its_input_alone(self, name):
        what, _ = toy()
        before = [array.copy() for array in arrays(what)]
        for array in arrays(what):
            array.flags.writeable = False
        call(name, what)
        for was, array in zip(before, arrays(what), strict=True):
            np.testing.assert_array_equal(was, array)

    def test_half_precision_probabilities_and_a_perfect_prediction(self, name):
        what, wrong = toy(dtype=np.float16)
        for probs in (what.probs, what.probs_gce, what.probs_blurry, what.probs_piecewise_zero, what.probs_lda):
            probs[:5] = np.eye(4)[what.labels[:5]]
            probs[5:9] = np.eye(4)[(what.labels[5:9] + 1) % 4]
        scores = call(name, what)
        check_shape(scores, what)

    @pytest.mark.parametrize("n_classes", [2, 5])
    def test_a_class_of_one_and_a_class_of_none(self, name, n_classes):
        rng = np.random.default_rng(2)
        truth = rng.integers(n_classes - 1, size=120)
        labels = truth.copy()
        labels[7] = n_classes - 1
        features = rng.normal(size=(120, 6)) + truth[:, None]
        what = evidence(labels, n_classes + (n_classes > 2), truth, features, rng)
        check_shape(call(name, what), what)

    def test_two_classes(self, name):
        what, wrong = toy(n_classes=2)
        scores = call(name, what)
        check_shape(scores, what)
        assert auroc(scores.suspicion, wrong) > 0.8

    def test_an_example_that_was_never_seen(self, name):
        what, _ = toy()
        for record in (what.record, what.cyclic_record, *(run for run, _ in what.threshold_records)):
            for column in (record.loss, record.margin, record.p_y):
                column[:, 3] = np.nan
                column[2] = np.nan
            record.argmax[:, 3] = record.argmax[2] = -1
        check_shape(call(name, what), what)

    def test_same_scores_twice(self, name):
        what, _ = toy()
        np.testing.assert_array_equal(call(name, what).suspicion, call(name, what).suspicion)

    @pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
    def test_one_number_that_is_not_finite_changes_nothing_for_the_others(self, name, value):
        clean, _ = toy()
        expected = call(name, clean)
        for path, array, put in floats(name):
            what, _ = toy()
            put(array(what), value)
            scores = outcome(name, what)
            if isinstance(scores, str):
                assert "Row 3" in scores and path.startswith("probs")
                continue
            check_shape(scores, what)
            others = np.arange(len(what.labels)) != 3
            moved = np.abs(rank_of(scores.suspicion[others]) - rank_of(expected.suspicion[others]))
            assert np.median(moved) <= 0.02 * len(moved), path
            assert moved.max() <= 0.1 * len(moved), path
            if scores.flags is not None:
                assert (scores.flags != expected.flags)[others].mean() <= 0.02, path


def outcome(name, what):
    """The scores, or the sentence of a refusal."""
    try:
        return call(name, what)
    except UserError as error:
        return str(error)


def rank_of(values):
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")


def floats(name):
    """The float arrays of the evidence that a detector reads: what it is called, where it is, and how a value comes to
    example 3."""

    def in_column(array, value):
        array[-1, 3] = value

    def in_row(array, value):
        array[3, 1] = value

    for field in parameters(detector(name)):
        if field in ("record", "cyclic_record"):
            for column in ("loss", "margin", "p_y"):
                yield f"{field}.{column}", lambda w, f=field, c=column: getattr(getattr(w, f), c), in_column
        elif field == "threshold_records":
            for run in (0, 1):
                yield f"{field}[{run}].margin", lambda w, r=run: w.threshold_records[r][0].margin, in_column
        elif field == "neighbours":
            yield "neighbours.similarity", lambda w: w.neighbours.similarity, in_row
        elif field.startswith("probs") or field == "views":
            yield field, lambda w, f=field: getattr(w, f), in_row
