"""Whose id is whose: a column of ids with a repeat or a gap, and the index of a frame."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import labelsieve as ls
from labelsieve.adapters.cleanlab import from_cleanlab
from labelsieve.core.errors import UserError

N = 12
TEXTS = [f"text {i} of some words" for i in range(N)]
LABELS = [*"abbaababbaab"]
REPEAT = [f"k{2 if i == 5 else i}" for i in range(N)]
BLANK = [None if i == 7 else f"k{i}" for i in range(N)]


def stored(path, columns: dict) -> str:
    table = pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        rows = [
            table.column_names,
            *([("" if v is None else str(v)) for v in row.values()] for row in table.to_pylist()),
        ]
        path.write_text("\n".join(map(",".join, rows)))
    return str(path)


def inputs(kind: str) -> dict:
    return {
        "text": {"text": TEXTS},
        "image": {"image": [f"{i}.png" for i in range(N)]},
        "features": {"x": list(range(N))},
    }[kind]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "frame", "hf"])
@pytest.mark.parametrize("kind", ["text", "image", "features"])
@pytest.mark.parametrize(("ids", "rows"), [(REPEAT, ("'k2'", "2 and 5")), (BLANK, ("blank", "(7)"))])
def test_ids_that_repeat_or_are_blank_become_row_numbers_with_a_note_and_are_refused_when_named(
    tmp_path, monkeypatch, name, kind, ids, rows
):
    for i in range(N):
        (tmp_path / f"{i}.png").touch()
    monkeypatch.chdir(tmp_path)  # where the paths in a frame begin
    columns = {"id": ids, **inputs(kind), "label": LABELS}
    if name == "hf":
        pytest.importorskip("datasets")
    source = {
        "frame": lambda: pa.table(columns),
        "hf": lambda: __import__("datasets").Dataset.from_dict(columns),
    }.get(name, lambda: stored(tmp_path / name, columns))()
    data = ls.load(source)
    read = {*data.ids, *(item.id for item in data.excluded)}
    assert read == set(map(str, range(N)))
    (note,) = [note for note in data.notes if "'id'" in note]
    assert "row numbers" in note and "name another column as the ids" in note and all(part in note for part in rows)
    with pytest.raises(
        UserError, match="'k2' appears twice, in rows 2 and 5" if ids is REPEAT else "row 7 .* has no id"
    ):
        ls.load(source, id="id")


def test_many_repeats_are_counted_and_the_first_named():
    data = ls.load(pa.table({"id": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "text": TEXTS, "label": LABELS}))
    assert (
        "6 values repeat ('0' in rows 0 and 1; '1' in rows 2 and 3; '2' in rows 4 and 5; and 3 more)" in data.notes[0]
    )
    with pytest.raises(UserError, match="'0' appears twice, in rows 0 and 1 .*'1' in rows 2 and 3.*and 3 more"):
        ls.load(pa.table({"id": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "text": TEXTS, "label": LABELS}), id="id")


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture
def frame(pd):
    return pd.DataFrame({"text": TEXTS, "label": LABELS})


def same_rows(data) -> None:
    """Each id is the number of the row that its text and label are of."""
    for key, text, label in zip(data.ids, data.inputs, data.labels, strict=True):
        assert (text, data.classes[label]) == (TEXTS[int(key)], LABELS[int(key)])


def test_a_shuffled_sorted_or_filtered_frame_keeps_its_index(frame):
    for part in (
        frame.sample(frac=1, random_state=1),
        frame.sort_values("label"),
        frame.iloc[1:],
        frame[frame.index % 3 > 0],
    ):
        data = ls.load(part)
        same_rows(data)
        assert data.ids.tolist() == list(map(str, part.index)) and "index" in data.notes[0]
        same_rows(ls.load(part[["text"]], labels=part["label"]))
        same_rows(ls.load(part["text"], labels=part["label"]))
    assert ls.load(frame).notes == () and ls.load(frame).ids.tolist() == list(map(str, range(N)))


def test_indexes_of_every_type_become_the_ids(pd, frame):
    keys = [f"r{i}" for i in range(N)]
    assert ls.load(frame.set_index(pd.Index(keys))).ids.tolist() == keys
    named = ls.load(frame.set_index(pd.Index(range(100, 112), name="patient")))
    assert named.ids[0] == "100" and "'patient'" in named.notes[0]
    days = ls.load(frame.set_index(pd.date_range("2024-02-27", periods=N)))
    assert days.ids[2].startswith("2024-02-29")
    several = ls.load(frame.set_index([pd.Index(["p", "q"] * 6, name="who"), pd.Index(range(N), name="scan")]))
    assert several.ids[:2].tolist() == ["p/0", "q/1"]
    features = ls.load(pd.DataFrame({"x": range(N), "label": LABELS}, index=pd.Index(range(50, 50 + N), name="n")))
    assert features.inputs.shape == (N, 1) and features.ids[0] == "50"


def test_an_index_that_repeats_or_has_gaps_is_refused(pd, frame):
    with pytest.raises(UserError, match=r"index of the pandas frame .*'0' in rows 0 and 6.*reset_index"):
        ls.load(frame.set_index(pd.Index([*range(6), *range(6)])))
    with pytest.raises(UserError, match=r"1 row is blank \(3\)"):
        ls.load(frame.set_index(pd.Index([None if i == 3 else f"k{i}" for i in range(N)])))
    by_column = ls.load(frame.assign(id=range(20, 32)).set_index(pd.Index([0] * N)))
    assert by_column.ids[0] == "20"


def test_an_index_helps_where_the_column_of_ids_repeats(pd, frame):
    data = ls.load(frame.assign(id=REPEAT).set_index(pd.Index([f"r{i}" for i in range(N)])))
    assert data.ids[0] == "r0" and any("'k2' in rows 2 and 5" in note for note in data.notes)


def test_a_level_of_the_index_may_be_named_as_a_column(pd, frame):
    keyed = frame.set_index(pd.Index([f"r{i}" for i in range(N)], name="key"))
    assert ls.load(keyed, id="key").ids[1] == "r1"
    assert ls.load(frame.set_index("label"), label="label").classes == ("a", "b")


def test_labels_are_matched_to_the_data_by_their_index(pd, frame):
    shuffled = frame.sample(frac=1, random_state=3).iloc[2:]
    other = shuffled.sort_values("text")
    data = ls.load(shuffled[["text"]], labels=other["label"])
    same_rows(data)
    assert any("by their index" in note for note in data.notes)
    array = ls.load(np.eye(10), labels=shuffled["label"])
    assert array.ids.tolist() == list(map(str, shuffled.index))
    with pytest.raises(UserError, match="does not name each row"):
        ls.load(shuffled[["text"]], labels=frame["label"].iloc[1:11])


def test_labels_whose_index_is_the_rows_in_another_order_are_refused(frame):
    shuffled = frame.sample(frac=1, random_state=3)
    for x, y in ((frame, shuffled), (shuffled, frame)):
        with pytest.raises(UserError, match="by order or by index"):
            ls.load(x[["text"]], labels=y["label"])


def test_the_index_that_pandas_stored(tmp_path, frame):
    part = frame.sample(frac=1, random_state=1)
    part.to_parquet(tmp_path / "t.parquet")
    part.to_csv(tmp_path / "t.csv")
    part.rename_axis("key").to_parquet(tmp_path / "k.parquet")
    for name in ("t.parquet", "t.csv", "k.parquet"):
        data = ls.load(tmp_path / name)
        same_rows(data)
        assert data.ids.tolist() == list(map(str, part.index)) and "was the index of a frame" in data.notes[0]
    frame.to_csv(tmp_path / "plain.csv")
    assert ls.load(tmp_path / "plain.csv").notes == ()


def test_a_lazy_frame_is_collected():
    pl = pytest.importorskip("polars")
    data = ls.load(pl.DataFrame({"text": TEXTS, "label": LABELS}).lazy())
    assert list(data.inputs) == TEXTS and data.source == "the polars frame"


def test_two_columns_of_one_name(pd, frame):
    with pytest.raises(UserError, match="two columns called 'text'"):
        ls.load(pd.concat([frame, frame], axis=1))


def test_findings_of_a_frame_carry_its_index(pd):
    rng = np.random.default_rng(0)
    x = pd.DataFrame(np.r_[rng.normal(-4, 1, (40, 2)), rng.normal(4, 1, (40, 2))], columns=["u", "v"]).sample(
        frac=1, random_state=0
    )
    y = (x.index >= 40).astype(int)
    y[7] = 1 - y[7]
    wrong = str(x.index[7])
    findings = ls.find(x.assign(label=y))
    assert findings.ids[findings.order()[0]] == wrong
    detector = ls.LabelErrorDetector().fit(x, y)
    assert detector.findings_.ids[detector.findings_.order()[0]] == wrong


def test_cleanlabs_issues_keep_their_index(pd):
    issues = pd.DataFrame(
        {
            "is_label_issue": [True, False, True],
            "label_score": [0.2, 0.9, 0.1],
            "given_label": ["a", "b", "a"],
            "predicted_label": ["b", "b", "b"],
        },
        index=[4, 7, 2],
    )
    assert from_cleanlab(issues).ids.tolist() == ["4", "7", "2"]
    assert from_cleanlab(issues.sort_values("label_score")).ids.tolist() == ["2", "4", "7"]
    assert from_cleanlab(issues.reset_index(drop=True)).ids.tolist() == ["0", "1", "2"]
    assert from_cleanlab(issues.assign(id=["x", "y", "z"])).ids.tolist() == ["x", "y", "z"]
    assert from_cleanlab(pa.Table.from_pandas(issues)).ids.tolist() == ["4", "7", "2"]
    with pytest.raises(UserError, match="'1' in rows 0 and 1"):
        from_cleanlab(issues.set_index(pd.Index([1, 1, 2])))
    with pytest.raises(UserError, match="'p' in rows 0 and 2"):
        from_cleanlab(issues, ids=["p", "q", "p"])
