"""The file of a drawn sample: what `save` never writes is refused, and the sentence names the file and the key."""

import json

import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.core.sample import Sample
from labelsieve.store import sample_files

TERMS = {"max_error": 0.03, "confidence": 0.95, "aql": 0.01, "producer_risk": 0.05, "reviewer_error": 0.0}
SEQUENTIAL = {**TERMS, "kind": "sequential", "counts": None}
COUNTS = {"first": 50, "accept": 1, "second": 0, "limit": 1}
SINGLE = {**TERMS, "kind": "single", "counts": COUNTS}


def sample(plan=SEQUENTIAL):
    hashes = ("00000000000000aa", "", "00000000000000ab")
    return Sample("drawn", 0, 3, ("x", "y", "z"), (0, 1, 1), (0.5, 1.0, 1.0), plan, hashes, ("cat", "dog", "cat"))


@pytest.mark.parametrize("plan", [{}, SEQUENTIAL, SINGLE, {**SINGLE, "kind": "double"}])
def test_a_sample_comes_back_as_it_was(tmp_path, plan):
    sample_files.save(tmp_path, sample(plan))
    assert sample_files.load(tmp_path, "drawn") == sample(plan)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "other"),
        ("seed", True),
        ("seed", -1),
        ("seed", 0.5),
        ("size", -3),
        ("size", "3"),
        ("ids", ["x", "y", "x"]),
        ("ids", ["x", "y", 3]),
        ("stratum", [0, 1]),
        ("stratum", [0, 1, -1]),
        ("chance", [0.5, 1.0]),
        ("chance", [0.5, 1.0, 0.0]),
        ("chance", [0.5, 1.0, 1.5]),
        ("chance", [0.5, 1.0, -0.5]),
        ("content", ["00000000000000aa", "", "no hash"]),
        ("content", ["00000000000000aa", ""]),
        ("given", ["cat", "dog", 3]),
        ("given", ["cat", "dog"]),
        ("plan", [1]),
        ("plan", {"kind": "sequential"}),
        ("plan", {**SEQUENTIAL, "kind": "triple"}),
        ("plan", {**SEQUENTIAL, "counts": COUNTS}),
        ("plan", {**SINGLE, "counts": None}),
        ("plan", {**SINGLE, "counts": {"first": 50, "accept": 1}}),
        ("plan", {**SINGLE, "counts": COUNTS | {"third": 2}}),
        ("plan", {**SINGLE, "counts": COUNTS | {"accept": -1}}),
        ("plan", {**SINGLE, "max_error": 1.5}),
        ("plan", {**SINGLE, "confidence": True}),
    ],
)
def test_what_a_sample_never_has_is_refused(tmp_path, key, value):
    path = sample_files.save(tmp_path, sample())
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(UserError, match=rf"drawn.json is damaged \(its {key} is not valid for a sample\)"):
        sample_files.load(tmp_path, "drawn")


def test_samples_of_older_versions_have_neither_contents_nor_labels(tmp_path):
    path = sample_files.save(tmp_path, sample())
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({key: kept[key] for key in kept if key not in ("content", "given", "plan")}))
    old = sample_files.load(tmp_path, "drawn")
    assert (old.ids, old.content, old.given, old.plan) == (("x", "y", "z"), (), (), {})


def test_the_strata_of_all_rows_come_back(tmp_path):
    assert sample_files.load_strata(tmp_path, "drawn") is None
    sample_files.save(tmp_path, sample())
    content, stratum = np.array([3, 1 << 63, 7], np.uint64), np.array([0, 1, 1])
    sample_files.save_strata(tmp_path, "drawn", content, stratum)
    again = sample_files.load_strata(tmp_path, "drawn")
    assert again is not None
    np.testing.assert_array_equal(again[0], content)
    np.testing.assert_array_equal(again[1], stratum)


def test_a_sentence_lists_the_samples_there_in_alphabetical_order(tmp_path):
    for name in ("two", "one", "three"):
        sample_files.save(tmp_path, Sample(name, 0, 0, (), (), (), {}))
    assert sample_files.names(tmp_path) == ["one", "three", "two"]
    with pytest.raises(UserError, match=r"no sample named 'four' \(existing samples: one, three, two\)"):
        sample_files.load(tmp_path, "four")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", "a.b", "x" * 65, "a\n", "ä"])
def test_names_that_no_sample_has(name):
    with pytest.raises(UserError, match="cannot be the name of a sample"):
        sample_files.require_name(name)
    sample_files.require_name("x" * 64)
