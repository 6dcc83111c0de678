"""What findings and data sets look like in a session, and their way to pandas."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from labelsieve.core.dataset import Dataset, Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.files import write_json
from labelsieve.core.findings import Estimate, Findings


def findings(n=1000):
    p = np.linspace(0, 1, n)
    return Findings(
        ids=np.array([f"i{i}" for i in range(n)], object),
        classes=("cat", "dog"),
        given=np.zeros(n, np.int64),
        other=np.ones(n, np.int64),
        p_wrong=p,
        rank=n - np.arange(n),
        flagged=p > 0.5,
        scores={},
        extra={},
        wrong=Estimate(1234.0, 900.0, 1500.0),
    )


def test_short_in_a_session():
    assert repr(findings()) == (
        "<Findings: 1,000 examples, 2 classes, about 1,234 wrong (between 900 and 1,500, depending on what is assumed; "
        "review 100 at random to know), 500 flagged, about 75 % of them wrong>"
    )
    gone = (Exclusion("x", "torn"),)
    data = Dataset(
        findings().ids, findings().given, ("cat", "dog"), np.zeros((1000, 9)), "features", "f.npz", excluded=gone
    )
    assert repr(data) == "<Dataset 'f.npz': 1,000 of kind 'features', 2 classes, 1 left out>"


def test_the_precision_of_the_flags_is_the_mean_of_their_probabilities_and_unknown_without_flags():
    result = replace(findings(5), flagged=np.array([0, 1, 0, 1, 1], bool))
    assert result.expected_precision == pytest.approx((0.25 + 0.75 + 1) / 3)
    assert np.isnan(replace(result, flagged=np.zeros(5, bool)).expected_precision)
    assert result.suggested.tolist() == [0, 1, 0, 1, 1]  # also the flagged one that is more likely right


def test_confusions_by_name():
    assert findings().named_confusions() == [("cat", "dog", pytest.approx(500.0))]
    assert findings().named_confusions(0) == []


def test_to_pandas(monkeypatch):
    frame = pytest.importorskip("pandas") and findings(3).to_pandas()
    assert frame["id"].tolist() == ["i2", "i1", "i0"] and frame["suggested_label"].tolist() == ["dog", "cat", "cat"]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        findings(3).to_pandas()


def test_a_data_set_with_half_characters_has_a_hash_and_its_source_a_place_in_json(tmp_path):
    ids = np.array(["caf\udce9", "b"], object)
    assert len(Dataset(ids, np.array([0, 1]), ("\udce9", "b"), np.eye(2), "features").fingerprint()) == 32
    write_json(tmp_path / "run.json", {"source": "caf\udce9", "é": 1})
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == {"source": "caf\udce9", "é": 1}
