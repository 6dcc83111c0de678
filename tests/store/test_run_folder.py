"""A run is written and read again wherever it lies."""

import json
import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from labelsieve.core.dataset import Exclusion
from labelsieve.core.findings import Estimate, Findings
from labelsieve.store import run

NAMES = ["plain.sieve", "label=cat.sieve", "given_label=7", "rank=x", "with space", "écran"]


def findings(source):
    return Findings(
        ids=np.array(["a", r"caf\xe9", "c\nd"], object),
        classes=("cat", "dog"),
        given=np.array([0, 1, 0]),
        other=np.array([1, 0, 1]),
        p_wrong=np.array([0.9, 0.1, 0.2]),
        rank=np.array([1, 3, 2]),
        flagged=np.array([True, False, False]),
        scores={"aum": np.array([3.0, 1.0, 2.0])},
        extra={"p_given": np.array([0.1, 0.9, 0.8])},
        wrong=Estimate(1.2, 1.0, 2.0),
        excluded=(Exclusion("x,y", 'it is "torn"'),),
        notes=("read me",),
        settings={"source": source},
        flags={"aum": np.array([True, False, False])},
        suggestions={"aum": np.array([1, 0, 1])},
    )


@pytest.mark.parametrize("name", NAMES + (["caf\udce9.sieve"] if sys.platform == "linux" else []))
def test_there_and_back(tmp_path, name):
    folder = run.claim(tmp_path / name, os.fspath(tmp_path / name))
    before = findings(os.fspath(tmp_path / name))
    run.save(before, folder)
    after = run.load(run.claim(folder, before.settings["source"]))
    assert after.table().equals(before.table()) and after.table().column_names == before.table().column_names
    assert (after.classes, after.wrong, after.excluded, after.notes) == (
        before.classes,
        before.wrong,
        before.excluded,
        before.notes,
    )
    assert after.settings == before.settings
    assert after.flags["aum"].tolist() == [True, False, False] and after.flags["aum"].dtype == bool
    assert after.suggestions["aum"].tolist() == [1, 0, 1]


def test_a_run_of_before_detectors_spoke_opens(tmp_path):
    folder = run.claim(tmp_path / "old.sieve", "x")
    new = findings("x")
    run.save(replace(new, flags={}, suggestions={}), folder)
    manifest = json.loads((folder / "run.json").read_text())
    del manifest["flags"], manifest["suggestions"]
    (folder / "run.json").write_text(json.dumps(manifest))
    old = run.load(folder)
    assert old.flags == old.suggestions == {} and old.flagged_by(0) == ()
    assert [name for name in new.table().column_names if name not in old.table().column_names] == [
        "flag_aum",
        "suggested_aum",
    ]
