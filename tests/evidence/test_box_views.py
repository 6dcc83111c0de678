"""Badly placed boxes: their score is high, whatever their class; crops without a box have none."""

import json

import numpy as np
import pytest
from drawn_boxes import drawn, write

import labelsieve as ls
from labelsieve.core.errors import UserError
from labelsieve.decide.summary import reason, reasons
from labelsieve.evidence.box_views import KINDS, _overlap, _views


def test_moved_narrow_and_wide_boxes_have_the_highest_scores(tmp_path):
    pytest.importorskip("onnxruntime")
    place, content = drawn(tmp_path / "d", pictures=40, each=3)
    wrong = {8: (0.5, 0, 1), 61: (-0.1, 0.5, 1), 99: (0.25, 0.25, 0.5), 110: (-0.4, -0.4, 1.8)}
    for note in content["annotations"]:
        if note["id"] in wrong:
            x, y, side, _ = note["bbox"]
            right, down, scale = wrong[note["id"]]
            note["bbox"] = [x + right * side, y + down * side, scale * side, scale * side]
    write(place, content)
    found = ls.find(place, out=tmp_path / "run.sieve", side=64, background=4, detectors=["placement"])
    score = found.scores["placement"]
    assert {str(key) for key in wrong} <= set(found.ids[np.argsort(-score)[:10]])
    crops = np.array(["@" in key for key in found.ids])
    assert np.isnan(found.extra["beside"][crops]).all() and (score[crops] <= score[~crops].min()).all()
    assert np.isfinite(found.extra["too_small"][~crops]).all()
    assert found.extra["too_small"][list(found.ids).index("99")] > 0.5
    assert not (tmp_path / "run.sieve" / "evidence" / "views").exists()
    table = ls.open_run(tmp_path / "run.sieve").findings.table()
    assert {"score_placement", "beside", "too_small", "too_large"} <= set(table.column_names)


def test_crops_at_wrong_places_lie_in_the_picture_and_differ_from_the_box(tmp_path):
    place, content = drawn(tmp_path / "d", pictures=6)
    content["annotations"][0]["bbox"] = [0, 0, 200, 120]  # the whole picture: no wider crop differs from it
    boxes = ls.load(write(place, content)).inputs
    boxes = boxes.part(np.arange(len(boxes)))
    of, kind, edges = _views(boxes, np.random.default_rng(0))
    assert (np.diff(of) >= 0).all() and set(kind[of > 0]) == {1, 2, 3} and 3 not in kind[of == 0]
    assert edges.min() >= 0 and (edges[:, 2] <= 200).all() and (edges[:, 3] <= 120).all()
    assert len(KINDS) == 4 and _overlap(edges, boxes.edges[of]).max() < 0.8


def test_it_needs_boxes_and_an_encoder(tmp_path):
    with pytest.raises(UserError, match="'placement' needs more evidence"):
        ls.find(np.eye(4)[[0, 1] * 20], labels=[0, 1] * 20, detectors=["placement"])
    place, content = drawn(tmp_path / "d", pictures=6)
    with pytest.raises(UserError, match="'placement' needs more evidence"):
        ls.find(place, from_network="small-cnn", detectors=["placement"])
    assert json.loads((place / "instances.json").read_text()) == content


def test_it_runs_on_request_and_the_page_says_how_a_box_lies(tmp_path):
    """By default nothing more is encoded, and a note says so; p_wrong is the same with the score and without it."""
    place, content = drawn(tmp_path / "d", pictures=40, each=3)
    x, y, side, _ = content["annotations"][60]["bbox"]
    content["annotations"][60]["bbox"] = [x + side / 4, y + side / 4, side / 2, side / 2]
    write(place, content)
    plain = ls.find(place, out=tmp_path / "plain.sieve", side=64, background=4)
    asked = ls.find(place, out=tmp_path / "asked.sieve", side=64, background=4, detectors=["placement"])
    assert "placement" not in plain.scores and any("placement" in note for note in plain.notes)
    assert not any("not looked for" in note for note in asked.notes)
    np.testing.assert_allclose(plain.p_wrong, asked.p_wrong, rtol=1e-3, atol=1e-9)
    at = list(asked.ids).index("61")
    why = [one for one in reasons(asked, at) if one["code"] == "placement"]
    assert why and why[0]["kind"] == "too_small" and why[0]["p"] > 0.5
    assert "box too small (" in reason(asked, at)
    assert not any(
        one["code"] == "placement" for i, key in enumerate(asked.ids) if "@" in key for one in reasons(asked, i)
    )
