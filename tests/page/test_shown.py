"""The data that the page gets with a text, a row of a table and a row of probabilities."""

import csv
import json
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

import labelsieve as ls
from labelsieve.page.desk import Desk
from labelsieve.page.server import application
from labelsieve.store.run import load


def opened(folder):
    return TestClient(application(Desk(folder), name="ann"), base_url="http://127.0.0.1:8765")


def plants(seed=0):
    """Rows of two kinds of plant that differ in `height` alone; row 7 carries the other kind's name, row 3 has no
    height."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "note": f"bed {i}, <b>wet</b>" if i != 5 else "line one\nline\x07two",
            "width": round(float(rng.normal(2, 0.5)), 2),
            "height": None if i == 3 else round(float(rng.normal(10 if i % 2 else 30, 1)), 2),
            "kind": ("fern" if i % 2 else "oak") if i != 7 else "oak",
            "seen": date(2024, 5, 1 + i % 28),
        }
        for i in range(60)
    ]
    return rows


@pytest.fixture(scope="module", params=["csv", "parquet", "jsonl"])
def table(request, tmp_path_factory):
    rows, tmp_path = plants(), tmp_path_factory.mktemp("plants")
    path = tmp_path / f"plants.{request.param}"
    if request.param == "csv":
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif request.param == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("\n".join(json.dumps(row, default=str) for row in rows), encoding="utf-8")
    ls.find(str(path), label="kind", out=tmp_path / "plants.sieve", detectors=["knn_vote"])
    return tmp_path / "plants.sieve"


def test_a_row_has_column_names_and_the_most_informative_column_first(table):
    ids = load(table).ids.tolist()
    assert "3" not in ids  # left out: no height
    with opened(table) as client:
        item = client.get(f"/api/item/{ids.index('7')}").json()
    names = [feature["name"] for feature in item["features"]]
    assert sorted(names) == ["height", "width"] and names[0] == "height"
    height = item["features"][0]
    assert height["value"] == plants()[7]["height"] and height["speaks"] > 3  # for the other class, fern
    assert (item["given"], item["other"]) == ("oak", "fern")
    oak, fern = height["given"], height["likely"]
    assert oak == sorted(oak) and fern == sorted(fern) and fern[2] < 20 < oak[0]
    assert abs(fern[1] - 10) < 1 and abs(oak[1] - 30) < 1


def test_columns_that_are_not_features_are_shown_with_their_row(table):
    findings = load(table)
    rows = plants()
    with opened(table) as client:
        for i in (0, 10, len(findings) - 1):
            place = int(findings.ids[i])
            shown = {cell["name"]: cell["value"] for cell in client.get(f"/api/item/{i}").json()["columns"]}
            assert shown == {"note": rows[place]["note"], "seen": str(rows[place]["seen"])}
        odd = client.get(f"/api/item/{findings.ids.tolist().index('5')}").json()["columns"]
        assert {"name": "note", "value": "line one\nline\\x07two"} in odd


def test_tiles_and_neighbours_have_values_that_reveal_nothing_in_blind_mode(table):
    with opened(table) as client:
        first = client.get("/api/items?n=1").json()["items"][0]
        assert [cell["name"] for cell in first["values"]] == ["width", "height"]
        whole = client.get(f"/api/item/{first['i']}").json()
        assert all(len(near["values"]) == 2 for near in whole["neighbours"]) and whole["neighbours"]
        blind = client.get(f"/api/item/{first['i']}?blind=1").json()
    assert [feature["name"] for feature in blind["features"]] == ["width", "height"]
    assert all(feature.keys() == {"name", "value", "z"} for feature in blind["features"])
    assert blind["columns"] == [] and blind["reasons"] == [] and blind["neighbours"] == []


def test_probabilities_beside_the_data_show_the_likeliest_classes_too(tmp_path):
    rng = np.random.default_rng(2)
    labels = np.arange(90) % 3
    np.savez(tmp_path / "rows.npz", features=rng.normal(size=(90, 4)) + 3 * np.eye(3, 4)[labels], labels=labels)
    probs = np.full((90, 3), 0.05) + 0.85 * np.eye(3)[labels]
    probs[4] = (0.7, 0.1, 0.2)
    np.save(tmp_path / "probs.npy", probs)
    ls.find(str(tmp_path / "rows.npz"), probs=str(tmp_path / "probs.npy"), out=tmp_path / "rows.sieve")
    with opened(tmp_path / "rows.sieve") as client:
        item = client.get("/api/item/4").json()
    assert [(one["label"], one["p"]) for one in item["top"]] == [("0", 0.7), ("2", 0.2), ("1", 0.1)]
    assert len(item["features"]) == 4  # and the data themselves


def test_the_reason_is_codes_and_numbers(table):
    findings = load(table)
    i = findings.ids.tolist().index("7")
    with opened(table) as client:
        message = {why["code"]: why for why in client.get(f"/api/item/{i}").json()["reasons"]}
    assert message["model"]["likely"] == pytest.approx(findings.extra["p_other"][i])
    assert message["neighbours"]["agree"] == pytest.approx(findings.extra["neighbours_agree"][i])


def test_probabilities_show_the_likeliest_classes_and_the_given_one(tmp_path):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 20, 200)
    probs = rng.dirichlet(np.full(20, 0.2), 200)
    probs[np.arange(200), labels] += 1
    probs /= probs.sum(1, keepdims=True)
    np.save(tmp_path / "probs.npy", probs)
    names = [f"class {c:02}" for c in range(20)]
    with open(tmp_path / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("label",), *[(names[c],) for c in labels]])
    ls.find(
        ls.load_probabilities(str(tmp_path / "probs.npy"), str(tmp_path / "labels.csv")), out=tmp_path / "probs.sieve"
    )
    findings = load(tmp_path / "probs.sieve")
    with opened(tmp_path / "probs.sieve") as client:
        for i in (0, 50, 199):
            top = client.get(f"/api/item/{i}").json()["top"]
            assert findings.classes[findings.given[i]] in {one["label"] for one in top}
            assert [one["p"] for one in top] == sorted((one["p"] for one in top), reverse=True)
            best = np.argsort(-probs[i])[:10]
            assert {findings.classes[c] for c in best} <= {one["label"] for one in top}
            assert top[0]["p"] == pytest.approx(probs[i].max(), abs=1e-6)
        assert client.get("/api/item/0?blind=1").json()["top"] is None
