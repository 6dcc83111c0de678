"""Several annotators, through the public doors: find on votes with and without examples, the run folder, apply."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.store.open_run import journal_for

NAMES = np.array(["nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


def votes_on(truth, *, annotators=12, each=3, spam=(0, 1), seed=0):
    """(example, annotator, label) of every vote: the annotators err on 5 to 45 % of the examples, spam on 90 %."""
    rng = np.random.default_rng(seed)
    skill = np.linspace(0.55, 0.95, annotators)
    example = np.repeat(np.arange(len(truth)), each)
    who = np.concatenate([rng.choice(annotators, each, replace=False) for _ in truth])
    label = truth[example].copy()
    wrong = rng.random(len(label)) > skill[who]
    label[wrong] = (label[wrong] + rng.integers(1, 10, wrong.sum())) % 10
    noise = np.isin(who, spam)
    label[noise] = rng.integers(0, 10, noise.sum())
    return example, who, label


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return data.data.astype(np.float32), data.target


@pytest.fixture(scope="module")
def votes(digits):
    example, who, label = votes_on(digits[1])
    frame = pd.DataFrame({"image": example, "worker": who, "label": NAMES[label]})
    frame["image"] = "d" + frame["image"].astype(str).str.zfill(4)
    frame["worker"] = "w" + frame["worker"].astype(str).str.zfill(2)
    return frame.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def alone(votes, tmp_path_factory):
    """A run on a file of votes alone, and its folder."""
    folder = tmp_path_factory.mktemp("votes")
    votes.to_csv(folder / "votes.csv", index=False)
    found = ls.find(folder / "votes.csv", id="image", annotator="worker", label="label", out=folder / "v.sieve")
    return found, folder


def right(findings, truth):
    """The share of right labels of the consensus."""
    row = [int(key[1:]) for key in findings.ids]
    return float((np.array(findings.classes)[findings.suggestions["votes"]] == NAMES[truth[row]]).mean())


def test_consensus_of_votes_beats_the_majority(alone, digits, votes):
    found, _ = alone
    count = votes.groupby(["image", "label"]).size().unstack(fill_value=0)
    majority = count.columns[count.to_numpy().argmax(1)] == NAMES[digits[1][[int(key[1:]) for key in count.index]]]
    assert right(found, digits[1]) > majority.mean() + 0.03
    assert found.p_wrong == pytest.approx(1 - found.extra["p_given"])


def test_spam_is_named_and_nobody_else(alone):
    people = alone[0].annotators
    assert {one.name for one in people.annotators if one.spam} == {"w00", "w01"}
    assert not people.copies
    assert people.annotators[0].accuracy < people.annotators[-1].accuracy


def test_accuracy_intervals_hold_the_truth(alone, digits, votes):
    truth = NAMES[digits[1][votes["image"].str[1:].astype(int)]]
    real = (votes["label"] == truth).groupby(votes["worker"]).mean()
    inside = [one.low <= real[one.name] <= one.high for one in alone[0].annotators.annotators]
    assert np.mean(inside) >= 0.8


def test_features_beside_the_votes_help(alone, digits, votes, tmp_path):
    features, truth = digits
    ids = [f"d{i:04d}" for i in range(len(truth))]
    table = pd.DataFrame(features, columns=[f"x{j}" for j in range(64)])
    table["image"] = ids
    votes.to_parquet(tmp_path / "votes.parquet")
    found = ls.find(table, id="image", votes=tmp_path / "votes.parquet", annotator="worker", out=tmp_path / "f.sieve")
    assert right(found, truth) > right(alone[0], truth) + 0.02
    assert found.annotators.sharpness != 1
    again = ls.open_run(tmp_path / "f.sieve").annotators
    assert again.p_right == pytest.approx(found.annotators.p_right)
    assert again.plain() == found.annotators.plain()


def test_order_of_rows_does_not_matter(votes):
    """No field depends on it, not even where votes are tied."""
    some = votes[votes["image"] < "d0300"]
    one = ls.find(some, id="image", annotator="worker", label="label")
    other = ls.find(some.sort_values(["label", "worker"]), id="image", annotator="worker", label="label")
    assert one.table().equals(other.table())
    assert one.annotators.plain() == other.annotators.plain()


def test_wide_table_is_the_same_as_a_long_one(votes):
    some = votes[votes["image"] < "d0300"]
    wide = some.pivot(index="image", columns="worker", values="label").reset_index()
    one = ls.find(some, id="image", annotator="worker", label="label")
    other = ls.find(wide, id="image", annotator="w*")
    assert one.table().equals(other.table())
    names = [name for name in wide.columns if name.startswith("w")]
    assert one.table().equals(ls.find(wide, id="image", annotator=names).table())


def test_labels_in_use_are_judged_by_the_votes(digits, votes):
    """With votes in a table of their own, labels of the data stay the given ones."""
    features, truth = digits
    used = truth.copy()
    used[:100] = (used[:100] + 3) % 10
    table = pd.DataFrame(features, columns=[f"x{j}" for j in range(64)])
    table["image"], table["label"] = [f"d{i:04d}" for i in range(len(truth))], NAMES[used]
    found = ls.find(table, id="image", label="label", votes=votes, annotator="worker")
    assert found.p_wrong[:100].mean() > 0.9
    assert found.p_wrong[100:].mean() < 0.05
    assert found.flagged[:100].mean() > 0.9


def test_texts_repeated_per_vote(tmp_path):
    texts = ["a cheap and good phone", "the battery died", "love it", "broke in a week"] * 6
    rows = [
        {"item": f"t{i}", "text": text, "who": who, "label": ("good", "bad")[i % 2] if who != "c" else "good"}
        for i, text in enumerate(texts)
        for who in "abc"
    ]
    data = ls.load(pd.DataFrame(rows), id="item", annotator="who")
    assert data.kind == "text" and len(data) == 24 and len(data.votes) == 72
    rows[0]["text"] = "another text"
    with pytest.raises(ls.UserError, match="one example has one input"):
        ls.load(pd.DataFrame(rows), id="item", annotator="who")


def test_repeated_votes_are_told(tmp_path):
    rows = [(f"t{i}", who, "ab"[i % 2], 1) for i in range(8) for who in ("x", "y", "z")]
    rows += [("t0", "x", "a", 2), ("t1", "y", "a", 2), ("t2", "z", None, 3)]
    frame = pd.DataFrame(rows, columns=["id", "who", "label", "at"])
    data = ls.load(frame, id="id", annotator="who")
    assert len(data.votes) == 23  # t0 x counts once, t1 y contradicts himself
    told = " ".join(data.notes)
    assert "1 rows have no label" in told and "1 votes repeat" in told and "1 times an annotator" in told
    later = ls.load(frame, id="id", annotator="who", time="at").votes
    assert len(later) == 24
    assert [later.label[j] for j in later.of(1) if later.annotators[later.annotator[j]] == "y"] == [0]


@pytest.mark.parametrize(
    ("times", "last"),
    [
        ((10, 9), "a"),
        (("10", "9"), "a"),
        ((None, 1.5), "b"),
        (("2024-01-10 10:00", "2024-01-09T11:00"), "a"),
        (("2024-01-10T10:00+05:00", "2024-01-10T06:00Z"), "b"),
        (tuple(pd.to_datetime(["2024-01-02", "2024-01-01"]).tz_localize("Asia/Tokyo")), "a"),
        ((1, 1), None),
        ((None, None), None),
    ],
)
def test_the_last_vote_counts(times, last):
    """Whatever the times are written as; votes of one time that differ do not count."""
    assert last_of(times) == last


def last_of(times):
    rows = [("t1", "x", "a", times[0]), ("t1", "x", "b", times[1])]
    rows += [(f"t{i}", who, "ab"[i % 2], times[0]) for i in range(6) for who in "yz"]
    table = pd.DataFrame(rows, columns=["id", "who", "label", "at"])
    data = ls.load(table, id="id", annotator="who", time="at")
    votes = data.votes
    said = [data.classes[votes.label[j]] for j in votes.of(1) if votes.annotators[votes.annotator[j]] == "x"]
    assert len(said) <= 1
    return said[0] if said else None


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (("9:05 pm", "10:05 pm"), "'9:05 pm', whose place in time is not clear"),
        (("1/2/2024", "12/1/2023"), "place in time is not clear"),
        (("2024-01-10T10:00Z", "2024-01-09 11:00"), "cannot be compared"),
        ((True, False), "place in time is not clear"),
    ],
)
def test_times_that_have_no_order(times, message):
    with pytest.raises(ls.UserError, match=message):
        last_of(times)


def test_names_of_columns_are_not_patterns_only(votes):
    """A name with brackets means itself, and a pattern never the ids and the labels in use."""
    wide = votes[votes["image"] < "d0040"].pivot(index="image", columns="worker", values="label").reset_index()
    some = wide.rename(columns={"w02": "w[2]", "w03": "w[3]"})[["image", "w[2]", "w[3]"]]
    assert ls.load(some, id="image", annotator="w[2],w[3]").votes.annotators == ("w[2]", "w[3]")
    assert ls.load(wide, id="image", annotator="*").votes.annotators == tuple(f"w{i:02d}" for i in range(12))
    with pytest.raises(ls.UserError, match="no column 'nothing'"):
        ls.load(wide, id="image", annotator="w*", label="nothing")
    with pytest.raises(ls.UserError, match="no column 'imag[*]'"):
        ls.load(wide, id="image", annotator="imag*")


def test_copied_answers_are_named():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 600)
    votes = np.array([np.where(rng.random(600) < 0.7, truth, rng.integers(0, 5, 600)) for _ in range(6)])
    votes[5] = np.where(rng.random(600) < 0.9, votes[2], votes[5])
    table = pd.DataFrame(votes.T, columns=list("abcdef")).map("class {}".format)
    found = ls.find(table, annotator="a,b,c,d,e,f").annotators
    assert [(pair.one, pair.other) for pair in found.copies] == [("c", "f")]


def test_copies_that_confirm_each_other_are_named():
    """Where the others are worse, the model takes what two say alike for the truth; so their matrices say nothing."""
    rng = np.random.default_rng(1)
    truth, rows = rng.integers(0, 4, 400), []
    for i, true in enumerate(truth):
        said = {f"w{a}": true if rng.random() < 0.8 else rng.integers(0, 4) for a in rng.choice(8, 3, replace=False)}
        said["gpt"], said["ann"] = 1, true if rng.random() < 0.7 else rng.integers(0, 4)
        said["bob"] = said["ann"] if rng.random() < 0.95 else rng.integers(0, 4)
        rows += [(i, name, "abcd"[label]) for name, label in said.items()]
    table = pd.DataFrame(rows, columns=["id", "who", "label"])
    found = ls.find(table, id="id", annotator="who", label="label").annotators
    assert [(pair.one, pair.other) for pair in found.copies] == [("ann", "bob")]
    assert [one.name for one in found.annotators if one.spam] == ["gpt"]
    assert not {name for one in found.ask for name in one.annotators} & {"ann", "bob", "gpt"}  # all voted, or are spam


@pytest.mark.parametrize("shared", ["confusion", "hard examples"])
def test_shared_errors_are_no_copies(shared):
    rng = np.random.default_rng(0)
    truth, hard, rows = rng.integers(0, 4, 800), rng.random(800) < 0.3, []
    for i, true in enumerate(truth):
        for a in rng.choice(12, 3, replace=False):
            right = 0.55 if shared == "hard examples" and hard[i] else 0.85
            label = true if rng.random() < right else (true + 1) % 4
            if shared == "confusion" and a < 4 and true == 0 and rng.random() < 0.8:
                label = 1
            rows.append((i, f"w{a}", "abcd"[label]))
    table = pd.DataFrame(rows, columns=["id", "who", "label"])
    assert ls.find(table, id="id", annotator="who", label="label").annotators.copies == ()


@pytest.mark.parametrize("others", [(0.6,), (0.6, 0.6)], ids=["three", "four"])
def test_good_annotators_beside_poor_ones_do_not_copy(others):
    """They agree often, because both are right. With one other nobody can tell that from copying."""
    rng = np.random.default_rng(3)
    skill = dict(zip("abcd", (0.95, 0.85, *others), strict=False))
    truth, rows = rng.integers(0, 10, 300), []
    for i, true in enumerate(truth):
        for name, right in skill.items():
            if rng.random() < 0.7:
                label = true if rng.random() < right else (true + rng.integers(1, 10)) % 10
                rows.append((i, name, str(label)))
    table = pd.DataFrame(rows, columns=["id", "who", "label"])
    assert ls.find(table, id="id", annotator="who", label="label").annotators.copies == ()


def test_the_most_useful_vote_is_asked_for(alone):
    found, _ = alone
    asked = found.annotators.ask
    assert asked and asked[0].gain >= asked[-1].gain > 0
    assert not {"w00", "w01"} & {name for one in asked for name in one.annotators}
    p = dict(zip(found.ids, found.extra["p_consensus"], strict=True))
    assert all(one.p == pytest.approx(p[one.id]) for one in asked)


def test_whose_votes_tell_nothing_is_not_asked():
    """Neither an annotator who always says the same, nor one whose only vote is for a class that nobody else names."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 90)
    rows = [
        (i, f"w{a}", "abc"[true if rng.random() < 0.75 else rng.integers(0, 3)])
        for i, true in enumerate(truth)
        for a in rng.choice(4, 2, replace=False)
    ]
    rows += [(i, "always", "a") for i in range(40)] + [(50, "once", "zebra")]
    table = pd.DataFrame(rows, columns=["id", "who", "label"])
    found = ls.find(table, id="id", annotator="who", label="label").annotators
    assert found.of("always").spam and not found.of("once").spam
    assert found.ask and {name for one in found.ask for name in one.annotators} <= {"w0", "w1", "w2", "w3"}


def test_files_of_the_run(alone):
    found, folder = alone
    with open(folder / "v.sieve" / "consensus.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == found.ids.tolist()
    assert [row["label"] for row in rows] == np.array(found.classes)[found.suggestions["votes"]].tolist()
    assert (folder / "v.sieve" / "annotators.csv").read_text().startswith("annotator,votes,accuracy,")
    (folder / "v.sieve" / "annotators.json").write_text("{")
    with pytest.raises(ls.UserError, match="annotators.json is damaged"):
        ls.open_run(folder / "v.sieve")
    from labelsieve.store import run

    run.save(found, folder / "v.sieve")


def test_apply_writes_a_list_of_labels(alone, tmp_path):
    found, folder = alone
    top = found.top(1)[0]
    with open(tmp_path / "answers.csv", "w") as file:
        file.write(f"id,label,reviewer\n{top.id},{top.other_label},me\n")
    ls.import_decisions(folder / "v.sieve", tmp_path / "answers.csv", from_="csv")
    ls.apply(folder / "v.sieve", out=tmp_path / "clean")
    labels = pd.read_csv(tmp_path / "clean" / "labels.csv")
    assert len(labels) == len(found)
    assert labels.set_index("id").loc[top.id, "label"] == top.other_label


def test_command(votes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    votes.to_csv("votes.csv", index=False)
    assert main(["find", "votes.csv", "--id", "image", "--annotator", "worker", "--label", "label"]) == 0
    shown = capsys.readouterr().out
    assert "12 annotators" in shown and "like spam" in shown and "w00" in shown
    assert main(["find", "votes.csv", "--id", "image", "--annotator", "worker", "--label", "label", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["annotators"]["annotators"][0]["spam"] is True
    assert Path("votes.sieve/consensus.csv").exists()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Forty pictures in folders of two classes, and three votes on each, one in nine of which is wrong."""
    from PIL import Image

    place, rows = tmp_path_factory.mktemp("votes on pictures") / "photos", []
    for i in range(40):
        label = ("red", "blue")[i % 2]
        (place / label).mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (40, 40), label)
        image.paste((6 * i, 6 * i, 6 * i), (3, 3, 9 + i % 20, 9 + i % 11))
        image.save(place / label / f"img_{i:03}.png")
        said = [("red", "blue")[(i + ((i + 2 * who) % 9 == 0)) % 2] for who in range(3)]
        rows += [(f"img_{i:03}", name, one) for name, one in zip(("ana", "ben", "cleo"), said, strict=True)]
    return place, pd.DataFrame(rows, columns=["picture", "worker", "label"])


@pytest.mark.parametrize(("suffix", "how"), [(".png", "the base names of the ids"), ("", "the ids without folder")])
def test_votes_are_matched_by_base_names_and_stems(pictures, suffix, how):
    place, rows = pictures
    whole = {path.stem: path.relative_to(place).as_posix() for path in place.rglob("*.png")}
    votes, exact = rows.assign(picture=rows.picture + suffix), rows.assign(picture=rows.picture.map(whole))
    data, same = (ls.load(place, votes=one, annotator="worker") for one in (votes, exact))
    assert any(how in note for note in data.notes) and not any("matched" in note for note in same.notes)
    for name in ("example", "annotator", "label"):
        np.testing.assert_array_equal(getattr(data.votes, name), getattr(same.votes, name))


def test_names_of_votes_that_are_not_clear_are_refused(pictures):
    place, rows = pictures
    twice = pd.concat([rows.assign(picture=rows.picture + ".png"), rows.assign(picture="x/" + rows.picture + ".png")])
    with pytest.raises(UserError, match="both '.*' and '.*' name the example"):
        ls.load(place, votes=twice, annotator="worker", id="picture")
    (place.parent / "more" / "red").mkdir(parents=True)
    (place.parent / "more" / "blue").mkdir()
    for path in place.rglob("*.png"):
        for label in ("red", "blue"):
            (place.parent / "more" / label / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match="several examples have that name"):
        ls.load(place.parent / "more", votes=rows, annotator="worker", id="picture")


@pytest.mark.parametrize("name", ["worker", "annotator_id", "Rater"])
def test_a_table_of_votes_without_the_annotator_gets_a_hint(name, pictures, tmp_path):
    """As a note where the rows can be examples, else behind the error; a column of that name alone is no sign."""
    rows = pictures[1].rename(columns={"worker": name})
    texts = rows.assign(text="it is " + rows.picture).drop(columns="picture")
    texts.to_csv(tmp_path / "texts.csv", index=False)
    for source in (texts, tmp_path / "texts.csv"):
        assert any(f"say who gave them (annotator: {name})" in note for note in ls.load(source).notes)
    texts.rename(columns={"label": "answer"}).to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(UserError, match=f"No column .* is clearly the label.*with annotator={name!r}"):
        ls.load(tmp_path / "answers.csv")
    once = texts.iloc[::3]
    assert not any("annotator" in note for note in ls.load(once).notes)
    assert not any("annotator" in note for note in ls.load(texts, group=name).notes)


def test_the_votes_to_ask_for_are_a_table_to_fill_in(alone, tmp_path):
    """Filled in, its rows are votes like the others."""
    found, folder = alone
    ask = pd.read_csv(folder / "v.sieve" / "ask.csv", dtype=str, keep_default_na=False)
    assert ask.id.tolist() == [one.id for one in found.annotators.ask] and (ask.label == "").all()
    assert ask.annotator.tolist() == [one.annotators[0] for one in found.annotators.ask]
    filled = ask.assign(label="one").rename(columns={"id": "image", "annotator": "worker"})
    more = ls.load(pd.concat([pd.read_csv(folder / "votes.csv"), filled]), id="image", annotator="worker")
    assert len(more.votes) == len(found.annotators.votes) + len(ask)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"annotator": "worker"}, "one row per vote"),
        ({"annotator": "wrker", "id": "image"}, "Did you mean"),
        ({"annotator": "worker", "id": "image", "time": "when"}, "no column 'when'"),
        ({"time": "when"}, "needs"),
        ({"votes": 3, "annotator": "worker"}, "from a table or a frame"),
    ],
)
def test_mistakes(votes, columns, message):
    with pytest.raises(ls.UserError, match=message):
        ls.load(votes, **columns)


def test_report_names_the_annotators(alone, tmp_path):
    page = ls.report(alone[1] / "v.sieve", out=tmp_path / "r.html").file.read_text()
    assert "Least accurate" not in page and "The least accurate annotators" in page and "w00" in page


def test_accept_judges_each_annotator(digits, votes, tmp_path):
    votes.to_csv(tmp_path / "votes.csv", index=False)
    run = tmp_path / "v.sieve"
    ls.find(tmp_path / "votes.csv", id="image", annotator="worker", label="label", out=run)
    drawn = ls.accept(run, max_error="10%", size=200).sample
    opened = ls.open_run(run)
    given = dict(zip(opened.findings.ids, np.array(opened.findings.classes)[opened.findings.given], strict=True))
    truth = dict(zip(drawn.ids, NAMES[digits[1][[int(key[1:]) for key in drawn.ids]]], strict=True))
    acts = {key: ("keep", None) if given[key] == name else ("relabel", name) for key, name in truth.items()}
    journal = journal_for(opened)
    journal.append(
        [
            Decision(key, act, label, "me", "2026-01-01", f"b{key}", f"accept:{drawn.name}", True)
            for key, (act, label) in acts.items()
        ]
    )
    journal.close()
    parts = {part.name: part for part in ls.accept(run).result.annotators}
    real = (votes["label"] != NAMES[digits[1][votes["image"].str[1:].astype(int)]]).groupby(votes["worker"]).sum()
    inside = [part.wrong.low <= real[name] <= part.wrong.high for name, part in parts.items()]
    assert len(parts) == 12 and np.mean(inside) >= 0.8
    assert parts["w00"].wrong.low > parts["w11"].wrong.high
