"""The scripts of noise curves, of reviews and of acceptance measure the digits and write their records."""

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("torch")
BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """A function of a script and its arguments that returns the rows of the record."""
    monkeypatch.syspath_prepend(str(BENCH))

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{script}.py", *arguments, "--out", str(tmp_path)])
        import_module(script).main()
        made = json.loads((tmp_path / f"{script}.json").read_text())
        assert made["about"]["settings"]
        return made["rows"]

    return run


def test_noise_curves(rows):
    small = ("--rows", "300", "--tests", "200", "--seeds", "1")
    found = rows("noise_curves", "none", *small, "--rates", "0,30", "--kinds", "symmetric,neighbourhood")
    clean, symmetric, neighbourhood = found
    assert [row["kind"] for row in found] == ["none", "symmetric", "neighbourhood"]
    assert (clean["wrong"], symmetric["wrong"]) == (0, 90) and neighbourhood["wrong"] >= 90
    assert "auprc" not in clean and set(clean["f1"].values()) == {0.0}
    assert symmetric["auprc"]["consensus"] > 0.9 > neighbourhood["auprc"]["consensus"]
    assert symmetric["f1"]["consensus"] > 0.8
    assert symmetric["low"] <= symmetric["count"] <= symmetric["high"]
    methods = {"standard", "cleaned", "lip", "m-dyr-h", "blurry", "piecewise-zero", "o2u", "promix"}
    assert set(clean["accuracy"]) == set(neighbourhood["accuracy"]) == methods
    assert clean["accuracy"]["standard"] > symmetric["accuracy"]["standard"] > 0.4


def test_review_economy(rows):
    small = ("--rows", "400", "--seeds", "2", "--repeats", "2", "--sets", "digits clean,digits pair 20 %")
    found = rows("review_economy", "none", *small)
    of = {(row["set"], row["part"], row.get("order", row.get("reviewer"))): row for row in found}
    ours, random = (of["digits pair 20 %", "economy", order]["found"] for order in ("ours", "random"))
    assert len(ours) == 2 and all(mine[2] > 2 * other[2] for mine, other in zip(ours, random, strict=True))
    assert ("digits clean", "economy", "ours") not in of
    before, after = (of["digits pair 20 %", "count", who] for who in ("none", "perfect"))
    assert (before["reviews"], before["repeats"], after["reviews"], after["repeats"]) == (0, 2, 100, 4)
    assert after["width"] < before["width"] and 0 <= after["holds"] <= 1
    fixes = [row for row in found if row["part"] == "fixes"]
    assert {row["stated"] for row in fixes} == {0.05, 0.1} and any(row["fixed"] for row in fixes)


def test_accept(rows):
    found = rows("accept", "--repeats", "3", "--rows", "600", "--scores", "good")
    assert len(found) == 8
    clean, bad = (next(row for row in found if row["wrong"] == rate and not row["error"]) for rate in (0.0, 0.06))
    assert clean["covered"] == 1 and not clean["mistaken"] and not bad["mistaken"]
    assert clean["saved"] == pytest.approx(1 - clean["reviews"] / clean["random"], abs=1e-3)
    assert bad["fixed"] < clean["fixed"] <= 600  # a bad batch is rejected early
