"""What `real_tools.py` runs with the Python of a tool's own environment: that tool's code writes and reads the files.

VENV/bin/python bench/inside_tools.py doccano|argilla FOLDER [FOLDER WHOSE CLASSES ARE COUNTED]
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

TEXTS = [
    "A wonderful film, full of warmth",
    "Dull from the first minute to the last",
    "The best evening I had in years",
    "I want my money back",
    "Brilliant acting and a clever plot",
    "A waste of time",
    "Charming, funny and wise",
    "Clumsy, loud and far too long",
]


def doccano(folder: Path, copy: Path | None) -> None:
    """Two members annotate in a project without shared annotation, on SQLite; the export has a file for each."""
    import importlib.util

    backend = Path(str(importlib.util.find_spec("backend.cli").origin)).parent  # pyright: ignore
    sys.path.insert(0, str(backend))
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "DATABASE_URL": f"sqlite:///{folder.resolve()}/db.sqlite3?sslmode=disable",
        "MEDIA_ROOT": str(folder / "media"),
    }
    import django
    from django.core import management

    django.setup()
    management.call_command("migrate", verbosity=0)
    management.call_command("create_roles", verbosity=0)
    from data_export.celery_tasks import create_collaborative_dataset, create_individual_dataset
    from data_export.pipeline.factories import create_formatter, create_writer
    from data_import.datasets import load_dataset
    from data_import.pipeline.catalog import create_file_format
    from data_import.pipeline.readers import FileName
    from django.contrib.auth import get_user_model
    from examples.models import Example
    from label_types.models import CategoryType
    from labels.models import Category
    from projects.models import Member, TextClassificationProject
    from roles.models import Role

    def project(name: str):
        return TextClassificationProject.objects.create(
            name=name, created_by=people["ana"], project_type="DocumentClassification", single_class_classification=True
        )

    people = {}
    for name in ("ana", "ben"):
        people[name], _ = get_user_model().objects.get_or_create(username=name)
    if copy is not None:
        counted = {}
        for file in sorted(copy.glob("*.jsonl")):
            again = project(f"again {file.stem}")
            named = FileName(str(file), file.name, file.name)
            data = load_dataset(
                "DocumentClassification", create_file_format("JSONL"), [named], again, column_data="text",
                column_label="label",
            )  # fmt: skip
            data.save(people["ana"])
            said = Counter(c.label.text for c in Category.objects.filter(example__project=again))
            counted[file.name] = said
            create_collaborative_dataset(
                again, str(folder), False, create_formatter(again, "JSONL"), create_writer("JSONL")
            )
            (folder / "all.jsonl").unlink()
        print(json.dumps(counted))
        return
    first = project("texts")
    for user in people.values():
        Member.objects.create(project=first, user=user, role=Role.objects.get(name="annotator"))
    classes = {name: CategoryType.objects.create(project=first, text=name) for name in ("good", "bad")}
    for i, text in enumerate(TEXTS):
        example = Example.objects.create(project=first, text=text, meta={"source": f"r{i}"})
        truth = "good" if i % 2 == 0 else "bad"
        said = {"ana": truth, "ben": truth if i != 3 else "good"}
        for who, name in {} if i == 7 else said.items():
            if (who, i) != ("ben", 5):
                Category.objects.create(example=example, user=people[who], label=classes[name])
    create_individual_dataset(first, str(folder), False, create_formatter(first, "JSONL"), create_writer("JSONL"))


def argilla(folder: Path, copy: Path | None) -> None:
    """Records with responses of two users, written as JSON, as by `to_disk`, and as a folder of `datasets`."""
    import argilla as rg
    from argilla.records._io import HFDatasetsIO, JsonIO
    from datasets import load_from_disk

    if copy is not None:
        counted = {}
        for name, file in (("records.json", copy / "records.json"), ("disk", copy / "disk" / "records.json")):
            records = JsonIO._records_from_json(file)
            counted[name] = Counter(str(r.value) for record in records for r in record.responses["mood"] or ())
        rows = load_from_disk(str(copy / "arrow"))
        counted["arrow"] = Counter(v for row in rows["mood.responses"] for v in row or ())
        print(json.dumps(counted))
        return
    users = [uuid.UUID(int=n) for n in (1, 2)]
    records = []
    for i, text in enumerate(TEXTS):
        truth = "good" if i % 2 == 0 else "bad"
        answers = [truth, truth if i != 3 else "good"][: 1 if i == 5 else 2]
        state = "discarded" if i == 7 else "submitted"
        responses = [rg.Response("mood", a, user_id=u, status=state) for a, u in zip(answers, users, strict=False)]
        suggestions = [rg.Suggestion("mood", "good", score=0.5, agent="model")]
        records.append(rg.Record(fields={"body": text}, id=f"r{i}", responses=responses, suggestions=suggestions))
    JsonIO.to_json(records, folder / "records.json")
    (folder / "disk").mkdir()  # as of `to_disk`, whose other files need a server
    JsonIO.to_json(records, folder / "disk" / "records.json")
    rows = HFDatasetsIO.to_datasets(records, SimpleNamespace(schema={}))  # pyright: ignore
    rows.save_to_disk(str(folder / "arrow"))


if __name__ == "__main__":
    tool, place, *rest = sys.argv[1:]
    {"doccano": doccano, "argilla": argilla}[tool](Path(place), Path(rest[0]) if rest else None)
