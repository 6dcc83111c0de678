"""Datumaro and FiftyOne for `real_tools.py`: what `inside_images.py` writes is read, corrected and read by the tool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import labelsieve as ls
from inside_images import ROWS

TEST = {name for name, split, _ in ROWS if split == "test"}


def images(tool: str, bin: Path, keep: Path | None) -> Iterator[tuple[str, bool, str]]:
    """The tool writes folders of labelled images; it reads copies with one label changed and one picture left out."""
    with tempfile.TemporaryDirectory() as name:
        work, copies = Path(name) / "work", Path(name) / "copies"
        work.mkdir()
        copies.mkdir()
        script = [bin / "python", Path(__file__).with_name("inside_images.py"), tool]
        env = {**os.environ, "HOME": name, "FIFTYONE_DO_NOT_TRACK": "1"}
        subprocess.run([*script, "write", work], check=True, env=env, stdout=subprocess.DEVNULL)
        truth = json.loads((work / "truth.json").read_text())
        wanted = {}
        for form, said in truth.items():
            read, ids = _read(work / form, said)
            yield (
                f"find {form}",
                read == {key: labels[0] for key, labels in said.items() if len(labels) == 1},
                f"{read}",
            )
            wanted[form] = _corrected(work / form, said, ids, copies)
        places = [copies / form for form in wanted]
        done = subprocess.run([*script, "read", *places], check=True, env=env, stdout=subprocess.PIPE, text=True)
        if keep:
            shutil.copytree(work, keep / tool, dirs_exist_ok=True)
    for form, read in json.loads(done.stdout.splitlines()[-1]).items():
        found = {key: sorted(labels) for key, labels in read.items()}
        yield f"{tool} reads {form}", found == wanted[form], f"{found} instead of {wanted[form]}"


def _read(place: Path, truth: dict[str, list[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """The label and the id of each picture, by its name."""
    data = ls.load(place)
    names = [Path(key).stem for key in data.ids]
    if data.recipe and data.recipe.get("format") in ("cifar-python", "idx"):  # numbered in the order of their split
        test = [name for name in truth if name in TEST]
        train = [name for name in truth if name not in TEST]
        parts = [key.partition("/") for key in data.ids]
        names = [(train if split == "train" else test)[int(row)] for split, _, row in parts]
    labels = {name: data.classes[k] for name, k in zip(names, data.labels, strict=True)}
    return labels, dict(zip(names, data.ids, strict=True))


def _corrected(place: Path, truth: dict[str, list[str]], ids: dict[str, str], copies: Path) -> dict[str, list[str]]:
    """Write the corrected copy of a folder; returns what the tool should read in it."""
    (copies / "patch.csv").write_text(f"id,old,new\n{ids['a']},cat,dog\n{ids['c']},dog,cat\n{ids['i']},cat,\n")
    ls.apply(place, patch=copies / "patch.csv", out=copies / place.name)
    (copies / place.name / "patch.csv").unlink(missing_ok=True)  # Datumaro's imagenet holds nothing but class folders
    return {name: sorted(labels) for name, labels in {**truth, "a": ["dog"], "c": ["cat"]}.items() if name != "i"}
