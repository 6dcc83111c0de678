"""The scripts of noise curves, of reviews and of acceptance measure the digits and write their records."""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
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


def test_the_pictures_are_drawn_from_the_record(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from PIL import Image

    docs = BENCH.parent / "docs"
    monkeypatch.syspath_prepend(str(docs))
    monkeypatch.setattr(sys, "argv", ["draw_curves.py", str(tmp_path)])
    import_module("draw_curves").main()
    for name in ("detection", "count", "training"):
        drawn, shown = (Image.open(folder / f"curves-{name}.png") for folder in (tmp_path, docs / "pictures"))
        assert drawn.size == shown.size
        assert len(drawn.convert("RGB").getcolors(1 << 20)) > 50


def test_what_the_pages_say_in_words_is_in_the_records():
    """docs/calibration.md, docs/accept.md and docs/where-we-lose.md."""
    reviews, batches, curves = (
        json.loads((BENCH / "records" / f"{name}.json").read_text())["rows"]
        for name in ("review_economy", "accept", "noise_curves")
    )
    counts = [row for row in reviews if row["part"] == "count" and row["reviews"]]
    assert all(round(row["holds"] * row["repeats"]) >= 28 and row["repeats"] == 30 for row in counts)
    assert max(row["error"] for row in counts if row["reviewer"] == "5 % wrong") < 0.05
    found = {(row["set"], row["order"]): np.mean(row["found"], axis=0) for row in reviews if row["part"] == "economy"}
    real = {name for name, _ in found if not name.endswith(("high", "low", "reversed"))}
    assert all((found[name, "ours"] > found[name, "cleanlab"]).all() for name in real)
    assert sum(found[name, "recalibrated"][2] > found[name, "ours"][2] for name in real) == 2
    assert not any(row["mistaken"] for row in batches) and len(batches) == 24
    assert not any(row["mistaken_random"] for row in batches) and all(row["covered"] >= 0.99 for row in batches)
    good = {row["wrong"]: row for row in batches if row["scores"] == "good" and not row["error"]}
    assert [round(100 * good[rate]["saved"]) for rate in (0.01, 0.06)] == [30, 56]
    assert (round(good[0.0]["fixed"]), round(good[0.06]["fixed"], -1)) == (340, 100)
    assert 0.09 < good[0.01]["mistaken_fixed"] < 0.11
    assert {row["wrong"] for row in batches if row["undecided"] == 1} == {0.0, 0.005, 0.01}
    lip = [row["accuracy"]["lip"] - row["accuracy"]["standard"] for row in curves]
    assert np.abs(lip).max() < 0.005
    heavy = [row for row in curves if row["kind"] == "neighbourhood" and row["rate"] >= 40]
    assert np.mean([row["low"] <= row["wrong"] <= row["high"] for row in heavy]) < 0.1
    symmetric = [row for row in curves if (row["kind"], row["rate"]) == ("symmetric", 60)]
    assert all(row["count"] < row["wrong"] <= row["high"] for row in symmetric)
