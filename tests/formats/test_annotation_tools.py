"""Exports of annotation tools through load and apply. The files in `files` were written by the tools themselves."""

import base64
import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.core.errors import UserError

FILES = Path(__file__).parent / "files"
STUDIO = FILES / "label_studio"


def labels(data) -> dict[str, str]:
    return {key: data.classes[k] for key, k in zip(data.ids, data.labels, strict=True)}


def said(data) -> dict[str, dict[str, str]]:
    """Example -> annotator -> class."""
    votes, found = data.votes, {}
    for i, key in enumerate(data.ids):
        of = votes.of(i)
        found[key] = {votes.annotators[votes.annotator[v]]: data.classes[votes.label[v]] for v in of}
    return found


def corrected(source: Path, tmp_path: Path, *, new: dict[str, str], gone: str | None = None, **roles: str):
    """The corrected copy, which has exactly these changes."""
    before = labels(ls.load(source, **roles))
    rows = [(key, before[key], name) for key, name in new.items()] + ([(gone, before[gone], "")] if gone else [])
    with open(tmp_path / "patch.csv", "w", newline="") as file:
        csv.writer(file).writerows([("id", "old", "new"), *rows])
    out = tmp_path / "clean"
    applied = ls.apply(source, patch=tmp_path / "patch.csv", out=out, **roles)
    assert (applied.relabelled, applied.left_out) == (len(new), bool(gone))
    place = out / source.name if (out / source.name).exists() else out
    after = labels(ls.load(place, **roles))
    assert after == {key: name for key, name in {**before, **new}.items() if key != gone}
    return place


def jsonl(path: Path, records) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


class TestLabelStudio:
    def test_annotators_vote_and_skipped_tasks_have_no_label(self):
        data = ls.load(STUDIO / "texts.json", label="mood")
        assert (data.kind, data.inputs[0]) == ("text", "A wonderful film, full of warmth")
        assert [(item.id, item.reason) for item in data.excluded] == [("r7", "it was skipped")]
        assert said(data)["r3"] == {"1": "bad", "2": "good"} and said(data)["r5"] == {"1": "bad"}
        assert data.votes.given and set(data.classes) == {"good", "bad"}  # good is an alias

    def test_a_taxonomy_is_its_path(self):
        assert ls.load(STUDIO / "texts.json", label="theme").classes == ("Film / Comedy", "Film / Drama")

    def test_two_controls_need_a_name(self):
        with pytest.raises(UserError, match=r"not clear which control .*\(mood, theme\); name it with label="):
            ls.load(STUDIO / "texts.json")
        with pytest.raises(UserError, match="no control 'colour'. There are: mood, theme"):
            ls.load(STUDIO / "texts.json", label="colour")

    def test_uploaded_pictures_are_found_beside_the_export_by_path_or_by_name(self, tmp_path):
        data = ls.load(STUDIO / "pictures.json")
        assert (len(data), data.kind, data.classes, data.votes) == (6, "image", ("blue", "red"), None)
        shutil.copy(STUDIO / "pictures.json", tmp_path)
        with pytest.raises(UserError, match="None of the images .* is there, such as /data/upload/"):
            ls.load(tmp_path / "pictures.json")
        (tmp_path / "originals").mkdir()
        for file in (STUDIO / "upload").rglob("*.png"):
            shutil.copy(file, tmp_path / "originals" / file.name[9:])  # the name before the upload
        again = ls.load(tmp_path / "pictures.json")
        assert [again.inputs[i] for i in range(6)] == [data.inputs[i] for i in range(6)]

    def test_a_corrected_task_keeps_what_was_said_as_predictions(self, tmp_path):
        copy = corrected(STUDIO / "texts.json", tmp_path, new={"r0": "bad", "r3": "bad"}, gone="r2", label="mood")
        tasks = {task["data"]["id"]: task for task in json.loads(copy.read_text())}
        [added] = tasks["r0"]["annotations"]
        assert "completed_by" not in added
        assert [r["value"] for r in added["result"]] == [{"choices": ["bad"]}, {"taxonomy": [["Film", "Comedy"]]}]
        assert [p["model_version"] for p in tasks["r0"]["predictions"]] == [
            "before the correction: 1",
            "before the correction: 2",
        ]
        assert [a["completed_by"] for a in tasks["r3"]["annotations"]] == [1]  # he was right
        original = {task["data"]["id"]: task for task in json.loads((STUDIO / "texts.json").read_text())}
        assert tasks["r1"] == original["r1"] and "r2" not in tasks

    def test_the_class_of_a_taxonomy_is_replaced_by_its_path(self, tmp_path):
        copy = corrected(STUDIO / "texts.json", tmp_path, new={"r0": "Film / Drama"}, label="theme")
        task = json.loads(copy.read_text())[0]
        assert task["annotations"][0]["result"][1]["value"] == {"taxonomy": [["Film", "Drama"]]}

    def test_several_choices_and_a_later_answer(self, tmp_path):
        tasks = json.loads((STUDIO / "texts.json").read_text())
        tasks[0]["annotations"][0]["result"][0]["value"]["choices"] = ["good", "bad"]
        later = json.loads(json.dumps(tasks[1]["annotations"][0]))
        later |= {"id": 99, "updated_at": "2030-01-01T00:00:00Z"}
        later["result"][0]["value"]["choices"] = ["good"]
        tasks[1]["annotations"].insert(0, later)
        (tmp_path / "tasks.json").write_text(json.dumps(tasks))
        data = ls.load(tmp_path / "tasks.json", label="mood")
        assert said(data)["r0"] == {"2": "good"} and said(data)["r1"] == {"1": "good", "2": "bad"}
        assert any("1 annotation chooses several classes at once" in note for note in data.notes)
        assert any("1 annotations were replaced by a later one" in note for note in data.notes)

    def test_ties_do_not_depend_on_the_order_of_tasks_and_annotations(self, tmp_path):
        tasks = json.loads((STUDIO / "texts.json").read_text())
        for task in tasks:
            task["annotations"].reverse()
        (tmp_path / "tasks.json").write_text(json.dumps(tasks[::-1]))
        one, other = (ls.load(place, label="mood") for place in (STUDIO / "texts.json", tmp_path / "tasks.json"))
        assert labels(one) == labels(other) and said(one) == said(other)

    @pytest.mark.parametrize("name", ["texts-min.json", "texts.csv"])
    def test_rows_of_json_min_and_csv_are_votes(self, name, tmp_path):
        data = ls.load(STUDIO / name, label="mood")
        assert data.ids[0] == ("r0" if name.endswith(".csv") else "1")  # JSON-MIN overwrites the data's own id
        full = ls.load(STUDIO / "texts.json", label="mood")
        assert list(labels(data).values()) == list(labels(full).values()) and len(data.votes) == len(full.votes)
        with pytest.raises(UserError, match=r"not clear which control .*\(label, mood, theme\)"):
            ls.load(STUDIO / name)  # `label` is a field of the data
        corrected(STUDIO / name, tmp_path, new={data.ids[0]: "bad"}, gone=data.ids[1], label="mood")

    def test_predictions_that_are_only_numbers_are_left_out_because_label_studio_refuses_them(self, tmp_path):
        tasks = json.loads((STUDIO / "animals.json").read_text())
        assert tasks[0]["predictions"] == [1]
        copy = corrected(STUDIO / "animals.json", tmp_path, new={"1": "dog"})
        written = json.loads(copy.read_text())
        assert [len(task["predictions"]) for task in written] == [3] + [0] * (len(tasks) - 1)
        assert [task["annotations"] for task in written[1:]] == [task["annotations"] for task in tasks[1:]]

    def test_the_answers_of_json_min_lie_after_the_id(self):
        data = ls.load(STUDIO / "animals-min.json")  # with the data's own column n
        assert len(data) == 10 and data.classes == ("cat", "dog") and len(data.votes) == 29
        assert any("are 'animal', the only column" in note for note in data.notes)

    def test_tsv(self, tmp_path):
        with pytest.raises(UserError, match=r"not clear which control .*\(animal, n\)"):
            ls.load(STUDIO / "animals.tsv")
        copy = corrected(STUDIO / "animals.tsv", tmp_path, new={"1": "dog"}, gone="2", label="animal")
        header, first, *_ = copy.read_text().splitlines()
        assert header.split("\t")[0] == "animal" and first.split("\t")[0] == "dog"

    @pytest.mark.parametrize("name", ["nested.json", "nested-min.json"])
    def test_the_parents_of_a_choice_in_a_taxonomy_are_no_other_class(self, name):
        data = ls.load(STUDIO / name)
        assert set(data.classes) == {"Animal / Cat / Siam", "Animal / Dog", "Plant", "Plant / Tree"}
        reason = "it has several labels: Animal / Dog, Plant / Tree"
        assert [item.reason for item in data.excluded] == [reason, reason]
        assert any("2 examples have several labels each" in note and "option several" in note for note in data.notes)

    def test_ratings_dialogues_sounds_and_other_controls(self, tmp_path):
        def written(kind, value, field):
            result = [{"from_name": "c", "to_name": "t", "type": kind}]
            tasks = [
                {"id": i, "data": field(i), "annotations": [{"id": i, "result": [{**result[0], "value": value(i)}]}]}
                for i in range(6)
            ]
            (tmp_path / "tasks.json").write_text(json.dumps(tasks))
            return tmp_path / "tasks.json"

        place = written("rating", lambda i: {"rating": 1 + i % 2}, lambda i: {"text": f"a text {i}"})
        copy = corrected(place, tmp_path, new={"0": "2"})
        assert json.loads(copy.read_text())[0]["annotations"][0]["result"][0]["value"] == {"rating": 2}
        choices = lambda i: {"choices": ["ab"[i % 2]]}  # noqa: E731
        turns = lambda i: {"d": [{"author": "ann", "text": f"hello {i}"}, {"author": "bot", "text": "hi"}]}  # noqa: E731
        assert ls.load(written("choices", choices, turns)).inputs[0] == "ann: hello 0\nbot: hi"
        with pytest.raises(UserError, match="'s' of .* names sounds or videos"):
            ls.load(written("choices", choices, lambda i: {"s": f"https://example.org/{i}.wav"}))
        with pytest.raises(UserError, match=r"there are rectanglelabels \(6\). Boxes are read from .* COCO"):
            ls.load(written("rectanglelabels", lambda i: {"x": 1}, lambda i: {"text": f"a text {i}"}))

    def test_json_min_mixes_words_and_objects_in_one_column(self, tmp_path):
        rows = json.loads((STUDIO / "texts-min.json").read_text())
        rows[0]["mood"] = {"choices": ["good", "bad"]}
        rows[2]["mood"] = {"choices": ["bad"]}
        (tmp_path / "min.json").write_text(json.dumps(rows))
        data = ls.load(tmp_path / "min.json", label="mood")
        assert len(said(data)["1"]) == 1 and set(said(data)["2"].values()) == {"bad"}

    def test_pictures_may_be_within_the_file(self, tmp_path):
        data = ls.load(STUDIO / "pictures.json")
        tasks = json.loads((STUDIO / "pictures.json").read_text())
        for i, task in enumerate(tasks):
            task["data"] = {"image": "data:image/png;base64," + base64.b64encode(data.inputs[i]).decode()}
        (tmp_path / "tasks.json").write_text(json.dumps(tasks))
        again = ls.load(tmp_path / "tasks.json")
        assert again.inputs[3] == data.inputs[3] and again.kind == "image"


class TestDoccano:
    def test_members_vote_and_an_empty_list_is_no_label(self):
        data = ls.load(FILES / "doccano")
        assert said(data)["4"] == {"ana": "bad", "ben": "good"} and said(data)["6"] == {"ana": "bad"}
        assert [(item.id, item.reason) for item in data.excluded] == [("8", "nobody gave it a label")]
        assert ls.load(FILES / "doccano" / "ana.jsonl").votes is None

    def test_a_corrected_copy_of_one_file_and_of_all_members(self, tmp_path):
        (tmp_path / "one").mkdir()
        copy = corrected(FILES / "doccano" / "ana.jsonl", tmp_path / "one", new={"1": "bad"}, gone="2")
        first = json.loads(copy.read_text().splitlines()[0])
        assert first == {"id": 1, "text": "A wonderful film, full of warmth", "source": "r0", "label": ["bad"],
                         "Comments": []}  # fmt: skip
        copy = corrected(FILES / "doccano", tmp_path, new={"1": "bad", "4": "bad"}, gone="2")
        assert [json.loads(line)["label"] for line in (copy / "labelsieve.jsonl").read_text().splitlines()] == [["bad"]]

    def test_several_labels_and_spans(self, tmp_path):
        rows = [json.loads(line) for line in (FILES / "doccano" / "ana.jsonl").read_text().splitlines()]
        rows[0]["label"] = ["bad", "good"]
        data = ls.load(jsonl(tmp_path / "all.jsonl", rows))
        assert data.excluded[0].reason == "it has several labels: bad, good"
        rows[0]["label"] = [[0, 4, "bad"]]
        with pytest.raises(UserError, match="only projects of classification"):
            ls.load(jsonl(tmp_path / "all.jsonl", rows), format="doccano")


class TestArgilla:
    @pytest.mark.parametrize("place", ["records.json", "disk"])
    def test_responses_are_votes_and_json_is_silent_on_discarded_ones(self, place, tmp_path):
        data = ls.load(FILES / "argilla" / place)
        assert len(data) == 8 and Counter(map(len, said(data).values())) == {2: 7, 1: 1}
        assert any("does not say which responses were discarded" in note for note in data.notes)
        copy = corrected(FILES / "argilla" / place, tmp_path, new={"r0": "bad", "r3": "bad"}, gone="r1")
        first, *_, = json.loads((copy / "records.json" if copy.is_dir() else copy).read_text())  # fmt: skip
        assert [r["value"] for r in first["responses"]["mood"]] == ["bad"]
        assert first["suggestions"]["mood"]["agent"] == "labelsieve"

    def test_rankings_choose_no_class(self, tmp_path):
        records = json.loads((FILES / "argilla" / "records.json").read_text())
        for record in records:
            for response in record["responses"]["mood"]:
                response["value"] = ["good", "bad"]
        (tmp_path / "records.json").write_text(json.dumps(records))
        with pytest.raises(UserError, match=r"Most examples of .* have several labels each \(8 of 8\).* several=True"):
            ls.load(tmp_path / "records.json")

    def test_the_arrow_folder_says_which_were_discarded(self, tmp_path):
        data = ls.load(FILES / "argilla" / "arrow")
        assert [(item.id, item.reason) for item in data.excluded] == [("r7", "it was discarded")]
        copy = corrected(FILES / "argilla" / "arrow", tmp_path, new={"r0": "bad"}, gone="r1")
        datasets = pytest.importorskip("datasets")
        rows = datasets.load_from_disk(str(copy))
        assert len(rows) == 7 and rows[0]["mood.responses"] == ["bad"]
        assert rows[0]["mood.responses.status"] == ["submitted"]


class TestProdigy:
    OPTIONS = [{"id": "good", "text": "Good"}, {"id": "bad", "text": "Bad"}]

    def choice(self, i, accept, who, answer="accept", **more):
        view = {"_view_id": "choice", "_input_hash": 100 + i, "_task_hash": 900 + i, "_annotator_id": who}
        return {"text": f"a text {i}", "options": self.OPTIONS, "accept": accept, "answer": answer, **view, **more}

    def test_choices_of_two_annotators(self, tmp_path):
        rows = [self.choice(i, [("good", "bad")[i % 2]], who) for i in range(6) for who in ("ana", "ben")]
        rows[0]["accept"] = ["bad"]
        rows[0]["_timestamp"] = 5
        rows.append(self.choice(0, ["good"], "ana", _timestamp=9))  # his later answer
        rows += [self.choice(6, [], "ana", "reject"), self.choice(7, ["good"], "ben", "ignore")]
        rows += [self.choice(8, ["good", "bad"], "ana")]
        file = jsonl(tmp_path / "answers.jsonl", rows)
        data = ls.load(file)
        assert len(data) == 6 and said(data)["100"] == {"ana": "good", "ben": "good"}
        assert [item.reason for item in data.excluded] == [
            "it was rejected", "it was ignored", "it has several labels: good, bad",
        ]  # fmt: skip
        copy = corrected(file, tmp_path, new={"100": "other"}, gone="101")
        first = json.loads(copy.read_text().splitlines()[0])
        assert (first["accept"], first["_annotator_id"]) == (["other"], "labelsieve")
        assert first["options"][-1] == {"id": "other", "text": "other"} and "_task_hash" not in first

    def test_binary_questions(self, tmp_path):
        view = {"_view_id": "classification"}
        rows = [
            {"text": f"a text {i}", "label": name, "answer": "accept" if good else "reject", "_input_hash": i, **view}
            for i in range(6)
            for name, good in (("GOOD", i % 2 == 0), ("BAD", i % 2 == 1))
        ]
        file = jsonl(tmp_path / "answers.jsonl", rows)
        assert Counter(labels(ls.load(file)).values()) == {"GOOD": 3, "BAD": 3}
        corrected(file, tmp_path, new={"0": "BAD"})

    def test_spans_are_refused(self, tmp_path):
        rows = [{"text": "a b", "spans": [], "answer": "accept", "_input_hash": i, "_task_hash": i} for i in range(3)]
        with pytest.raises(UserError, match="choose no class"):
            ls.load(jsonl(tmp_path / "ner.jsonl", rows))


class TestMechanicalTurk:
    def write(self, path: Path, rows) -> Path:
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def rows(self, answer):
        return [
            {"HITId": f"H{i}", "WorkerId": who, "AssignmentStatus": "Approved", "Input.body": f"a text {i}"}
            | answer(("cat", "dog")[i % 2] if who != "spam" else "dog")
            for i in range(6)
            for who in ("A1", "A2", "spam")
        ]

    @pytest.mark.parametrize(
        "answer",
        [
            lambda name: {"Answer.animal": name},
            lambda name: {"Answer.animal.label": name},
            lambda name: {"Answer.taskAnswers": json.dumps([{"animal": {"label": name}}])},
            lambda name: {"Answer.taskAnswers": json.dumps([{"animal": {"cat": name == "cat", "dog": name == "dog"}}])},
            lambda name: {f"Answer.animal.{one}": str(name == one).lower() for one in ("cat", "dog")},
        ],
    )  # fmt: skip
    def test_workers_vote(self, tmp_path, answer):
        data = ls.load(self.write(tmp_path / "batch.csv", self.rows(answer)))
        assert said(data)["H0"] == {"A1": "cat", "A2": "cat", "spam": "dog"}
        assert labels(data)["H0"] == "cat" and data.inputs[0] == "a text 0"

    def test_rejected_work_does_not_count_and_the_copy_is_a_list(self, tmp_path):
        rows = self.rows(lambda name: {"Answer.animal": name})
        for row in rows:
            row["AssignmentStatus"] = "Rejected" if row["WorkerId"] == "spam" else "Approved"
        file = self.write(tmp_path / "batch.csv", rows)
        data = ls.load(file, label="Answer.animal", text="Input.body")
        assert "6 rejected assignments are no votes." in data.notes and data.votes.annotators == ("A1", "A2")
        (tmp_path / "patch.csv").write_text("id,old,new\nH0,cat,dog\n")
        applied = ls.apply(file, patch=tmp_path / "patch.csv", out=tmp_path / "clean")
        assert "labels.csv" in applied.files
        assert (tmp_path / "clean" / "labels.csv").read_text().splitlines()[1].startswith("H0,dog")


def test_zooniverse_questions_and_surveys(tmp_path):
    rows = []
    for i in range(6):
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(tmp_path / f"s{i}.png")
        for n, who in enumerate(("ana", "not-logged-in-1", "ana")):
            name = ("LION", "ZEBRA")[i % 2] if n else "ZEBRA"
            rows.append(
                {
                    "classification_id": str(10 * i + n),
                    "user_name": who,
                    "created_at": f"2024-05-01 10:0{n}:00 UTC",
                    "annotations": json.dumps(
                        [
                            {"task": "T0", "value": [{"choice": name, "answers": {}, "filters": {}}]},
                            {"task": "T1", "task_label": "Young?", "value": "Yes" if i % 2 else "No"},
                        ]
                    ),
                    "subject_data": json.dumps({str(500 + i): {"retired": None, "Filename": f"s{i}.png", "site": "A"}}),
                    "subject_ids": str(500 + i),
                }
            )
    file = TestMechanicalTurk().write(tmp_path / "classifications.csv", rows)
    data = ls.load(file, label="T0")
    assert said(data)["500"] == {"ana": "LION", "not-logged-in-1": "LION"} and data.kind == "image"
    assert ls.load(file, label="T1").classes == ("No", "Yes")
    with pytest.raises(UserError, match=r"not clear which task .*\(T0, T1\)"):
        ls.load(file)


def test_sagemaker_manifest(tmp_path):
    records = []
    for i in range(6):
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(tmp_path / f"p{i}.png")
        about = {"class-name": ("cat", "dog")[i % 2], "confidence": 0.8, "human-annotated": "yes"}
        about |= {"type": "groundtruth/image-classification", "job-name": "labeling-job/animals"}
        records.append({"source-ref": f"s3://bucket/photos/p{i}.png", "animals": i % 2, "animals-metadata": about})
    records[5] = {"source-ref": "s3://bucket/photos/p5.png", "animals-metadata": {"failure-reason": "Access denied"}}
    file = jsonl(tmp_path / "output.manifest", records)
    data = ls.load(file)
    assert data.excluded[0].reason == "labelling failed: Access denied"
    assert data.inputs[3] == (tmp_path / "p3.png").read_bytes()
    (tmp_path / "work").mkdir()
    key = "s3://bucket/photos/p0.png"
    (tmp_path / "patch.csv").write_text(f"id,old,new\n{key},cat,horse\n")
    ls.apply(file, patch=tmp_path / "patch.csv", out=tmp_path / "clean")
    first = json.loads((tmp_path / "clean" / "output.manifest").read_text().splitlines()[0])
    assert (first["animals"], first["animals-metadata"]["class-name"]) == (2, "horse")
    assert first["animals-metadata"]["job-name"] == "labeling-job/animals"


def test_find_judges_the_annotators_of_an_export(tmp_path):
    tasks = []
    words = (["warm", "bright", "happy", "kind"], ["cold", "grey", "sad", "mean"])
    random = np.random.default_rng(0)
    for i in range(80):
        text = " ".join(random.choice(words[i % 2], 6))
        truth = ("good", "bad")[i % 2]
        annotations = []
        for who, error in (("ana", 0.05), ("ben", 0.3), ("cleo", 0.1)):
            name = truth if random.random() > error else ("bad", "good")[i % 2]
            result = [{"from_name": "m", "to_name": "t", "type": "choices", "value": {"choices": [name]}}]
            annotations.append({"completed_by": {"email": f"{who}@example.org"}, "result": result})
        tasks.append({"id": i + 1, "data": {"text": text}, "annotations": annotations})
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    findings = ls.find(tmp_path / "tasks.json", out=tmp_path / "tasks.sieve")
    people = {row["annotator"]: row["accuracy"] for row in findings.annotators.table().to_pylist()}
    assert min(people, key=people.get) == "ben@example.org"
    assert ls.open_run(tmp_path / "tasks.sieve").annotators is not None
