"""The summary at several widths, for findings good, odd and empty."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelsieve.cli.findings_table import show
from labelsieve.cli.terminal import print_json, safe
from labelsieve.core.dataset import Dataset, Exclusion
from labelsieve.core.feature_columns import FeatureColumns
from labelsieve.core.findings import Estimate, Findings
from labelsieve.core.snippet import snippet
from labelsieve.decide.summary import summarise


def findings(n=60, ids=None, classes=("cat", "dog", "ferret"), **change):
    rng = np.random.default_rng(0)
    given = np.arange(n) % len(classes)
    p = np.where(np.arange(n) < 10, 0.95, 0.02) + rng.random(n) * 0.01
    rank = np.empty(n, np.int64)
    rank[np.argsort(-p, kind="stable")] = np.arange(1, n + 1)
    group = np.full(n, -1)
    group[:4] = [0, 0, 2, 2]
    fields = {
        "ids": np.array([f"{classes[c]}/img_{i:04}.jpg" for i, c in enumerate(given)] if ids is None else ids, object),
        "classes": classes,
        "given": given,
        "other": (given + 1) % len(classes),
        "p_wrong": p,
        "rank": rank,
        "flagged": p > 0.5,
        "scores": {},
        "extra": {"p_given": 1 - p, "p_other": p, "neighbours_agree": np.where(p > 0.5, 0.0, np.nan)}
        | {"duplicate_group": group, "duplicate_conflict": group == 0},
        "wrong": Estimate(9.0, 6.0, 13.0),
        "excluded": (
            Exclusion("cat/bad.jpg", "the image is truncated"),
            Exclusion("dog/bad.jpg", "the image is truncated"),
        ),
        "notes": ("Classes with only one example: 1 (lynx).",),
        "settings": {"source": "pets/", "kind": "image", "seconds": {"encode": 3.0, "detect": 1.5}},
    }
    return Findings(**fields | change)


def printed(monkeypatch, capsys, result, columns=100):
    monkeypatch.setenv("COLUMNS", str(columns))
    show(summarise(result), Path("pets.sieve"))
    return capsys.readouterr().out


def flat(text):
    """The text without line breaks."""
    return " ".join(text.split())


def test_summary_contains_the_main_facts(monkeypatch, capsys):
    out = flat(printed(monkeypatch, capsys, findings()))
    for message in (
        "pets/: 60 images, 3 classes, 2 left out. 4.5 s.",
        "About 9 labels are probably wrong (15.0 %): between 6 and 13, depending on what is assumed; "
        "review 60 at random to know. 10 flagged, about 96 % of them wrong.",
        "Note: Classes with only one example",
        "cat/img_0000.jpg",
        "Duplicates: 2 groups, in 1 of them the labels disagree.",
        "2 the image is truncated",
        "pets.sieve/",
        "labelsieve review pets.sieve ",
        "labelsieve apply pets.sieve -o corrected",
        "labelsieve export pets.sieve --to csv",
        "why: the model's probability for the likely and for the given label",
    ):
        assert message in out, message
    assert out.count("img_") >= 10


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 300])
def test_no_line_is_wider_than_the_screen(monkeypatch, capsys, columns):
    long = [f"{'very/' * 60}deep/{i:04}.jpg" for i in range(60)]
    out = printed(monkeypatch, capsys, findings(ids=long, classes=("a" * 90, "b" * 90, "c" * 90)), columns)
    assert max(map(len, out.splitlines())) <= min(columns, 140)
    assert "/0000.jpg" in out if columns >= 80 else True


@pytest.mark.parametrize("columns", [80, 120])
def test_odd_names_stay_on_one_line_and_are_not_markup(monkeypatch, capsys, columns):
    odd = [
        "[red]x[/red]",
        "new\nline",
        "\u202egpj.exe",
        "\x1b[31mred",
        "tab\tbed",
        "\ud800",
        ":smile:",
        "אבג",
        "写真/猫.jpg",
        "\x00",
    ]
    out = printed(monkeypatch, capsys, findings(ids=odd + [str(i) for i in range(50)]), columns)
    out.encode()
    for shown in (
        "[red]x[/red]",
        "new\\nline",
        "\\u202egpj.exe",
        "\\x1b[31mred",
        "tab\\tbed",
        "\\ud800",
        ":smile:",
        "写真/猫.jpg",
        "\\x00",
    ):
        assert shown in out, shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e]", out)


def test_no_findings_print_no_empty_tables(monkeypatch, capsys):
    clean = findings(
        p_wrong=np.zeros(60),
        flagged=np.zeros(60, bool),
        wrong=Estimate(0, 0, 2),
        excluded=(),
        notes=(),
        extra={},
        settings={},
    )
    out = printed(monkeypatch, capsys, clean)
    assert "About 0 labels are probably wrong (0.0 %): between 0 and 2, depending on what is assumed;" in out
    assert " 0 flagged." in flat(out)
    for absent in ("confusions", "attention", "Duplicates", "Left out", "Note", "Most suspicious", "img_"):
        assert absent not in out


@pytest.mark.parametrize(
    ("count", "message"),
    [(1.2, "About 1 label is probably wrong"), (0.6, "About 1 label is"), (1.6, "About 2 labels are")],
)
def test_singular_for_one_label(monkeypatch, capsys, count, message):
    assert message in printed(monkeypatch, capsys, findings(wrong=Estimate(count, 0, 3)))


def test_the_next_commands_work_as_pasted(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    show(summarise(findings()), Path("my pets.sieve"))
    assert "labelsieve review 'my pets.sieve'" in capsys.readouterr().out


def test_a_random_sample_is_the_first_step_if_the_count_is_uncertain(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    wide = findings(wrong=Estimate(20, 0, 200))
    show(summarise(wide), Path("my pets.sieve"))
    message = capsys.readouterr().out
    steps = [line.strip() for line in message.splitlines() if line.startswith("  labelsieve")]
    assert steps[0].startswith("labelsieve review 'my pets.sieve' --sample random") and "minutes" in message
    assert (summarise(wide).first or {})["size"] == min(100, len(wide))


def test_colours_only_in_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def coloured():
        terminal = Terminal()
        monkeypatch.setattr("sys.stdout", terminal)
        show(summarise(findings()), Path("pets.sieve"))
        return "\x1b[31m" in terminal.getvalue() or "\x1b[36m" in terminal.getvalue()

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured()


def test_long_text_keeps_both_ends():
    assert safe("a" * 50 + "b" * 50, 21) == "a" * 10 + "…" + "b" * 10
    assert safe("short", 5) == "short"
    assert len(safe("\n" * 5000, 30)) == 30


def test_json_is_strict_and_ascii(capsys):
    print_json({"a": float("nan"), "b": (1, {"é": float("inf")}), "c": "\u202e"})
    out = capsys.readouterr().out
    assert out.isascii() and json.loads(out) == {"a": None, "b": [1, {"é": None}], "c": "\u202e"}


def test_snippets_are_printed_below_suspicious_examples(monkeypatch, capsys):
    texts = np.array([f"text {i} has a bell\x07 and\na second line " + "x" * 300 for i in range(60)], object)
    data = Dataset(np.array([f"key{i}" for i in range(60)], object), np.zeros(60, np.int64), ("a", "b"), texts, "text")
    result = findings(ids=data.ids.tolist(), settings={"source": "t.csv", "kind": "text", "seconds": {}})
    summary = summarise(result, data=data)
    worst = summary.top[0]
    assert worst.snippet.startswith(
        f"text {worst.id[3:]} has a bell\\x07 and a second line xxx"
    ) and worst.snippet.endswith("…")
    monkeypatch.setenv("COLUMNS", "80")
    show(summary, Path("t.sieve"))
    out = capsys.readouterr().out
    line = out.splitlines().index(next(line for line in out.splitlines() if line.startswith(worst.id)))
    assert out.splitlines()[line + 1].strip().startswith(f"text {worst.id[3:]} has a bell\\x07")
    assert "\x07" not in out and max(map(len, out.splitlines())) <= 80


def test_rows_show_their_first_values_by_name():
    columns = FeatureColumns(("height", "wide\u202ename"))
    data = Dataset(
        np.array(["r"], object), np.zeros(1, np.int64), ("a",), np.array([[1.5, 12345.0]]), "features", columns=columns
    )
    assert snippet(data, 0) == "height 1.5, wide\\u202ename 12345"
    probs = Dataset(np.array(["r"], object), np.zeros(1, np.int64), ("a", "b"), np.array([[0.25, 0.75]]), "probs")
    assert snippet(probs, 0) == "b 0.750, a 0.250"


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
@pytest.mark.parametrize("length", [10, 35, 60, 300])
@pytest.mark.parametrize("snippet", [False, True])
def test_ids_are_never_cut_and_lines_fit(monkeypatch, capsys, columns, length, snippet):
    ids = [f"{i:04}" + "abcdefghij"[i % 10] * (length - 8) + f"{i:04}" for i in range(60)]
    result = findings(ids=ids)
    monkeypatch.setenv("COLUMNS", str(columns))
    summary = summarise(result)
    if snippet:
        summary = replace(summary, top=tuple(replace(s, snippet="what it shows " * 20) for s in summary.top))
    show(summary, Path("pets.sieve"))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= columns
    joined = "".join(line.strip() for line in out.splitlines())  # a folded id goes on in the next line
    for suspect in summary.top:
        assert suspect.id in joined, suspect.id
    for key, _ in summary.duplicates.examples[0]:
        assert key in joined
