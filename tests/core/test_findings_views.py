"""Findings come ranked: iteration, top, tables, and what a notebook shows of them. Arrays stay in the order of the
data."""

import pickle
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.core.evidence import Neighbours
from labelsieve.core.scores import Scores


@pytest.fixture(scope="module")
def planted():
    """Probabilities of 90 examples; the labels of ten are wrong."""
    rng = np.random.default_rng(0)
    true = np.arange(90) % 3
    probs = np.exp(4 * np.eye(3)[true] + rng.normal(size=(90, 3)))
    given = true.copy()
    given[::9] = (given[::9] + 1) % 3
    return probs / probs.sum(1, keepdims=True), np.array(["ant", "bee", "cat"])[given]


@pytest.fixture(scope="module")
def findings(planted):
    return ls.find(ls.load_probabilities(*planted))


def test_views_are_ranked_and_arrays_are_not(findings):
    table = findings.table()
    assert table["rank"].to_pylist() == list(range(1, 91))
    assert table["p_wrong"].to_pylist() == sorted(findings.p_wrong.tolist(), reverse=True)
    assert findings.ids.tolist() == [str(i) for i in range(90)]
    by_data = findings.table(ranked=False)
    assert by_data["id"].to_pylist() == findings.ids.tolist()
    assert by_data["p_wrong"].to_pylist() == findings.p_wrong.tolist()
    assert table.equals(by_data.take(findings.order()))
    assert [one.id for one in findings] == table["id"].to_pylist()
    pytest.importorskip("pandas")
    assert findings.to_pandas()["rank"].tolist() == list(range(1, 91))


def test_top(findings):
    top = findings.top(20)
    assert len(top) == 20 and [one.rank for one in top] == list(range(1, 21))
    assert top.table().equals(findings.table().slice(0, 20))
    first = top[0]
    assert (first.id, first.p_wrong) == (findings.ids[findings.rank == 1][0], findings.p_wrong.max())
    row = findings.table().slice(0, 1).to_pylist()[0]
    assert all(
        row[name] == getattr(first, name) for name in ("given_label", "suggested_label", "other_label", "flagged")
    )
    assert [one.rank for one in top[2:4]] == [3, 4] and top[-1].rank == 20
    assert len(findings.top()) == 20 and len(findings.top(1000)) == 90 and len(findings.top(0)) == 0
    for wrong in (-1, 2.5, "a"):
        with pytest.raises(ls.UserError, match="^n is "):
            findings.top(wrong)
    lines = repr(top).splitlines()
    assert len(lines) == 21 and lines[0].split() == ["rank", "id", "given", "likely", "p(wrong)"]
    assert lines[1].split()[1] == first.id


def test_the_file_stays_in_the_order_of_the_data(planted, tmp_path):
    found = ls.find(ls.load_probabilities(*planted), out=tmp_path / "p.sieve")
    assert pq.read_table(tmp_path / "p.sieve" / "findings.parquet").equals(found.table(ranked=False))
    again = ls.open_run(tmp_path / "p.sieve").findings
    assert again.table().equals(found.table()) and [x.id for x in again.top(5)] == [x.id for x in found.top(5)]


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def count(html, tag):
    return sum(name == tag for name, _ in Tags(html).tags)


def test_a_notebook_shows_texts_escaped_and_short():
    bad = "<script>alert(1)</script>"
    texts = [f"{bad} {'good' if i % 2 else 'bad'} film number {i} " + "long " * 2000 for i in range(40)]
    labels = [bad if i % 2 else "other" for i in range(40)]
    rng = np.random.default_rng(0)
    probs = np.full((40, 2), 0.5) + np.array([[0.4, -0.4]]) * rng.choice([-1, 1], (40, 1))
    found = ls.find(texts, labels=labels, probs=probs)
    html = found._repr_html_()
    assert "<script" not in html and "&lt;script&gt;" in html and "film" in html
    assert count(html, "tr") == 11 and len(html) < 20_000
    assert "onerror" not in html and "NaN" not in html


def test_a_notebook_shows_pictures_and_reads_no_large_file(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(24):
        place = tmp_path / "photos" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(place / f"{i}.png")
    big = tmp_path / "photos" / "a" / "big.bmp"
    Image.fromarray(rng.integers(0, 255, (1300, 1300, 3), np.uint8)).save(big)
    probs = np.tile([0.3, 0.7], (25, 1)) + rng.normal(0, 0.01, (25, 1)) * [1, -1]
    found = ls.find(tmp_path / "photos", probs=probs, out=tmp_path / "p.sieve")
    for some in (found, ls.open_run(tmp_path / "p.sieve").findings):
        html = some.top(25)._repr_html_()
        assert html.count('<img src="data:image/jpeg;base64,') == 24 and len(html) < 400_000
        assert html.count("a large file, not read here") == 1
        assert count(some._repr_html_(), "img") >= 9
    again = ls.open_run(tmp_path / "p.sieve").findings
    (tmp_path / "photos" / "a" / "0.png").unlink()
    assert "cannot be shown" in again.top(25)._repr_html_()
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    html = ls.open_run(tmp_path / "p.sieve").findings._repr_html_()
    assert "<img" not in html and count(html, "tr") == 11


def test_a_notebook_shows_only_some_of_many_rows(findings):
    html = findings.top(90)._repr_html_()
    assert count(html, "tr") == 51 and "and 40 more" in html
    assert "ant 0." in html  # the likeliest classes where the inputs are probabilities


def test_findings_are_pickled_without_the_data(findings):
    again = pickle.loads(pickle.dumps(findings))
    assert again.table().equals(findings.table()) and again.examples is None and "<table" in again._repr_html_()


def test_plot(findings, tmp_path):
    pytest.importorskip("matplotlib").use("agg")
    figure = findings.plot()
    left, right = figure.axes
    assert sum(patch.get_height() for patch in left.patches) > 0 and left.get_xlabel() == "p(wrong)"
    assert right.get_yticklabels()[-1].get_text() == " → ".join(findings.named_confusions()[0][:2])
    figure.savefig(tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 5_000


def test_plot_without_matplotlib(findings, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ls.UserError, match=re.escape("findings.plot() needs matplotlib")):
        findings.plot()


def test_reprs_are_one_short_line(findings):
    recorder = ls.Recorder(3)
    recorder.update(np.eye(3), [0, 1, 2], [0, 1, 2])
    record = recorder.record()
    result = ls.evaluate(findings, [findings.classes[c] for c in findings.other])
    neighbours = Neighbours(np.zeros((3, 2), np.int32), np.zeros((3, 2), np.float32))
    expected = {
        record: "<Record: 1 epoch of 3 examples>",
        recorder: "<Recorder: 1 epoch of 3 examples>",
        Scores(np.zeros(5)): "<Scores of 5 labels>",
        neighbours: "<Neighbours: the 2 nearest of 3 examples>",
    }
    assert {id(one): repr(one) for one in expected} == {id(one): text for one, text in expected.items()}
    assert re.fullmatch(r"<Evaluation \(oracle\): 90 of 90 labels wrong, estimated .*, AUPRC 1\.000>", repr(result))
