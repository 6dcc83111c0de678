"""The whole report: its contents; it is self-contained, and hostile data stay text and stay small."""

import json
import re
import xml.etree.ElementTree as xml
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from labelsieve.cli.report import report
from labelsieve.core.dataset import Exclusion
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.reports import html
from labelsieve.store.journal import FILE, Journal
from labelsieve.store.run import load, save

pytest.importorskip("jinja2")

HOSTILE = [
    "<script>alert(1)</script>",
    "a\"b'c`",
    "line\nbreak\x07",
    "\u202egnp.exe",
    "مرحبا/صورة.png",
    "x" * 4096,
    "{{ 7 * 7 }}{% raw %}",
    "</style></title><img src=x onerror=alert(1)>",
    "猫" * 300,
]


class Reader(HTMLParser):
    """Tags with their attributes, and the text outside of style."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self._in = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_data(self, data):
        if self._in != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def make(folder, *, n=300, k=6, ids=(), classes=(), kind="image", notes=(), excluded=(), recipe=None):
    rng = np.random.default_rng(0)
    p = np.sort(np.concatenate([rng.uniform(0.6, 1, n // 10), rng.uniform(0, 0.1, n - n // 10)]))[::-1]
    names = [*classes, *(f"class {i}" for i in range(len(classes), k))]
    given = np.arange(n) % k
    group = np.full(n, -1)
    group[:4] = (0, 0, 2, 2)
    result = Findings(
        ids=np.array([*ids, *(f"img_{i}.png" for i in range(len(ids), n))], object),
        classes=tuple(names),
        given=given,
        other=(given + 1) % k,
        p_wrong=p,
        rank=np.arange(1, n + 1),
        flagged=p > 0.5,
        scores={"consensus": p},
        extra={"duplicate_group": group, "duplicate_conflict": group >= 0},
        wrong=Estimate(float(p.sum()), float(p.sum()) * 0.8, float(p.sum()) * 1.2),
        excluded=tuple(excluded),
        notes=tuple(notes),
        settings={
            "source": "photos",
            "kind": kind,
            "seed": 0,
            "recipe": recipe,
            "seconds": {"encode": 1.5},
            "detectors": ["aum", "o2u"],
        },
    )
    save(result, folder)
    return folder


def written(run, **options):
    report(run, **options)
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_report_begins_with_a_plain_summary(tmp_path):
    page = Reader(written(make(tmp_path / "a.sieve")))
    assert re.search(r"of 300 labels are probably wrong", page.text)
    assert "Nobody has reviewed anything yet" in page.text
    assert "depending on what is assumed; review 100 at random to know" in page.text and "What to do" in page.text
    assert re.search(r"30 flagged, about (79|80|81) % of them wrong", page.text)
    assert "Let people review 100 randomly drawn examples" in page.text
    high = load(tmp_path / "a.sieve").wrong.high
    assert f"can be wrong by up to about {100 * high / 300:.1f} percentage points" in page.text
    assert not (tmp_path / "a.sieve" / FILE).exists()


def test_a_measured_count_no_longer_comes_from_models_alone(tmp_path):
    folder = make(tmp_path / "a.sieve")
    journal = Journal(folder)
    ids = load(folder).ids[::12]
    journal.append(
        [Decision(id, "keep", None, "ann", f"2026-01-01T00:00:{t:02}", f"b{t}", "sample") for t, id in enumerate(ids)]
    )
    journal.close()
    assert len(ids) == 25
    page = Reader(written(folder))
    assert "95 % interval" in page.text and "models alone;" not in page.text


def test_the_report_loads_nothing_and_forbids_scripts(tmp_path):
    page = written(
        make(
            tmp_path / "a.sieve",
            ids=HOSTILE,
            classes=HOSTILE[:5],
            notes=HOSTILE,
            excluded=[Exclusion(h, h) for h in HOSTILE],
        )
    )
    tags = Reader(page).tags
    assert "default-src 'none'" in next(
        a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert not {"script", "link", "iframe", "object", "a", "form"} & {tag for tag, _ in tags}
    assert not [a for _, a in tags for name in a if name.startswith("on")]
    assert all(a["src"].startswith("data:image/jpeg;base64,") for _, a in tags if "src" in a)
    assert "url(" not in page and "@import" not in page


def test_hostile_text_is_escaped_and_shortened(tmp_path):
    page = written(make(tmp_path / "a.sieve", ids=HOSTILE, classes=HOSTILE[:5], notes=HOSTILE))
    text = Reader(page).text
    assert "<script>alert(1)</script>" in text and "{{ 7 * 7 }}" in text
    assert "\\u202egnp.exe" in text and "\u202e" not in page
    assert "line\\nbreak\\x07" in text
    assert "x" * 700 not in page and "مرحبا" in text


def test_reviews_change_the_count_and_appear_in_the_history(tmp_path):
    run = make(tmp_path / "a.sieve", n=600)
    rng = np.random.default_rng(1)
    rows = [
        Decision(
            f"img_{i}.png",
            "relabel" if i < 60 else "keep",
            "class 1" if i < 60 else None,
            "ann",
            f"2026-01-01T10:00:{j:02d}Z",
            str(i),
            "sample",
            False,
            0.8 if i < 60 else 0.05,
        )
        for j, i in enumerate(rng.permutation(600)[:60])
    ]
    Journal(run).append([*rows, Decision("nobody.png", "keep", reviewer="bob", at="2026-01-02T00:00:00Z", batch="z")])
    page = Reader(written(run))
    result = sum(row.act == "relabel" for row in rows)
    assert f"People have reviewed 60 examples and found {result} wrong" in page.text
    assert "label is right" in page.text and "ann 60" in page.text
    assert "95 % interval" in page.text and "depending on" not in page.text
    assert "Decisions on 1 example are not counted ('nobody.png'" in page.text


def test_reviewed_examples_are_not_listed_as_suspicious(tmp_path, capsys):
    run = make(tmp_path / "a.sieve")
    Journal(run).append(
        [Decision(f"img_{i}.png", "relabel", "class 1", "ann", "2026-01-01", str(i)) for i in range(0, 30, 2)]
    )
    report(run, json=True)
    output = json.loads(capsys.readouterr().out)
    shown = {int(suspect["id"][4:-4]) for suspect in output["worst"]}
    assert shown == set(range(1, 30, 2))  # the rest is believed, and not listed
    assert output["worst_ends"].startswith("The list ends here")
    assert "The list ends here" in (run / "report.html").read_text(encoding="utf-8")
    assert output["found"] == output["reviewed"] == 15


def test_json_and_page_have_the_same_numbers(tmp_path, capsys):
    run = make(tmp_path / "a.sieve")
    report(run, json=True, out=tmp_path / "mail.html")
    output = json.loads(capsys.readouterr().out)
    assert output["examples"] == 300 and output["now"]["low"] <= output["now"]["count"] <= output["now"]["high"]
    assert output["report"] == str(tmp_path / "mail.html") and not (run / "report.html").exists()
    efforts = [e["reviews"] for e in output["effort"]]
    assert efforts == sorted(efforts) and efforts[-1] <= 300
    assert f"{output['now']['count']:,.0f}" in Reader((tmp_path / "mail.html").read_text(encoding="utf-8")).text


def test_only_an_earlier_report_is_overwritten(tmp_path):
    run, mine = make(tmp_path / "a.sieve"), tmp_path / "notes.html"
    report(run, out=tmp_path / "mail.html")
    report(run, out=tmp_path / "mail.html")
    with pytest.raises(UserError, match="is a folder; name an HTML file"):
        report(run, out=tmp_path)
    mine.write_text("<!doctype html><title>Minutes</title>")
    with pytest.raises(UserError, match="notes.html already exists and was not written by `labelsieve report`"):
        report(run, out=mine)
    assert mine.read_text() == "<!doctype html><title>Minutes</title>"


def test_figures_are_written_as_complete_svg_files(tmp_path):
    report(make(tmp_path / "a.sieve", classes=HOSTILE[:5]), figures=tmp_path / "figures")
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"estimate", "histogram", "confusions", "classes"} <= names
    for path in (tmp_path / "figures").iterdir():
        tree = xml.parse(path).getroot()
        assert tree.tag == "{http://www.w3.org/2000/svg}svg" and tree[0].tag.endswith("style")


def test_a_report_with_ten_thousand_classes_stays_small(tmp_path):
    page = written(make(tmp_path / "a.sieve", n=20_000, k=10_000))
    assert len(page) < 400_000
    assert "9,980 more classes" in Reader(page).text


def test_data_that_cannot_be_read_again_leave_a_report_without_pictures(tmp_path):
    gone = {"source": str(tmp_path / "gone")}
    page = Reader(written(make(tmp_path / "a.sieve", recipe=gone)))
    assert "No pictures of the examples" in page.text
    assert "img" not in {tag for tag, _ in page.tags}


def test_texts_are_quoted(tmp_path):
    table = tmp_path / "texts.csv"
    table.write_text(
        "id,body,topic\n" + "".join(f'img_{i}.png,"<b>text</b> {i} {"long " * 300}",t{i % 2}\n' for i in range(300)),
        encoding="utf-8",
    )
    recipe = {"source": str(table), "text": "body", "label": "topic", "id": "id"}
    page = written(make(tmp_path / "a.sieve", kind="text", recipe=recipe))
    quotes = [tag for tag, _ in Reader(page).tags if tag == "blockquote"]
    assert len(quotes) == 30 and "&lt;b&gt;text&lt;/b&gt; 0" in page and len(page) < 200_000


def test_an_unwritable_path_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        report(make(tmp_path / "a.sieve"), out=tmp_path / "file" / "report.html")


def test_without_doubted_labels_the_list_is_empty_and_says_why(tmp_path, capsys):
    run = make(tmp_path / "a.sieve")
    result = load(run)
    save(replace(result, p_wrong=result.p_wrong / 2, flagged=np.zeros(len(result), bool)), run)
    report(run, json=True)
    output = json.loads(capsys.readouterr().out)
    assert output["worst"] == [] and output["worst_ends"].startswith("No example without an answer")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "No example without an answer" in page and '<div class="cards' not in page


def test_report_and_page_share_the_palette(tmp_path):
    run = make(tmp_path / "a.sieve")
    report(run, out=tmp_path / "r.html", figures=tmp_path / "figures")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    source = (Path(html.__file__).parent / "templates" / "palette.css").read_text(encoding="utf-8")
    pairs = re.findall(r"--([a-z0-9-]+): light-dark\((#\w+), (#\w+)\)", source)
    assert len(pairs) > 15
    dark = text[text.index("prefers-color-scheme:dark") :]
    for name, light, night in pairs:
        assert f"--{name}:{light};" in text and f"--{name}:{night};" in dark
    used = set(re.findall(r"var\(--([a-z0-9-]+)", text))
    assert used <= {name for name, *_ in pairs}  # no colour of its own
    assert {name: light for name, light, _ in pairs}["accent"] in (tmp_path / "figures" / "estimate.svg").read_text()
