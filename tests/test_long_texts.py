"""Long texts are seen whole: what stands after the first 4,000 characters counts, and the summary says how they were
read."""

import json
import random

import labelsieve as ls
from labelsieve.cli import main

ABOUT = {
    "sport": "match goal team coach league player score season",
    "trade": "market shares bank profit price stock trade investor",
}
FILLING = "the of and then there was some more about it which they said after that in one way or other".split()  # noqa: SIM905


def document(rng, label, characters):
    filling = " ".join(rng.choice(FILLING) for _ in range(characters // 4))[:characters]
    return filling + " " + " ".join(rng.choice(ABOUT[label].split()) for _ in range(150))


def test_the_end_of_a_long_text_counts(tmp_path, capsys):
    rng = random.Random(0)
    truth = [("sport", "trade")[i % 2] for i in range(40)]
    texts = [document(rng, label, 4100) for label in truth]
    texts[3] = document(rng, truth[3], 70_000)
    wrong = rng.sample(range(10, 40), 3)
    labels = [({"sport": "trade", "trade": "sport"}[label] if i in wrong else label) for i, label in enumerate(truth)]
    lines = [json.dumps({"text": text, "label": label}) for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "long.jsonl").write_text("\n".join(lines))
    run = tmp_path / "run"
    assert (
        main(
            [
                "find",
                str(tmp_path / "long.jsonl"),
                "--text",
                "text",
                "--out",
                str(run),
                "--detectors",
                "consensus",
                "--json",
            ]
        )
        == 0
    )
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any(
        note.startswith("40 texts are longer than 4,000 characters; each was read in up to 16 parts") for note in notes
    )
    assert any("Of 1 with more, 16 parts were read" in note for note in notes)
    found = ls.open_run(run).findings
    assert set(found.order()[:3].tolist()) == set(wrong)
    again = ls.find(tmp_path / "long.jsonl", text="text", out=run, detectors=["consensus"])  # from the cache
    assert [note for note in again.notes if "longer than" in note] == [note for note in notes if "longer than" in note]


def test_texts_that_differ_after_4000_characters_are_not_copies(tmp_path):
    rng = random.Random(1)
    start = document(rng, "sport", 4200)
    texts = [start + " " + document(rng, "trade", 300) for _ in range(12)]
    lines = [json.dumps({"text": text, "label": "ab"[i % 2]}) for i, text in enumerate(texts)]
    (tmp_path / "long.jsonl").write_text("\n".join(lines))
    found = ls.find(tmp_path / "long.jsonl", text="text", detectors=["consensus"])
    assert (found.extra["duplicate_group"] < 0).all()
