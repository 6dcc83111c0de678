"""Round trips through the labelling tools themselves: a line PASS or FAIL for each format, exit code 1 if one failed.

    python bench/real_tools.py label-studio | argilla | doccano | datumaro | fiftyone

The tool is installed, pinned, in a temporary environment; `--bin VENV/bin` takes one that is there. `--keep FOLDER`
keeps the files that the tool wrote.

Label Studio runs its server; the others run their own code for import and export.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import labelsieve as ls
from real_images import images
from real_label_studio import label_studio

PINNED = {
    "label-studio": ["label-studio==1.23.2"],
    "argilla": ["argilla==2.8.0"],
    "doccano": ["doccano==1.8.4", "marshmallow<4", "numpy<2"],
    "datumaro": ["datumaro==1.13.12"],
    "fiftyone": ["fiftyone==1.22.1"],
}


def inside(tool: str, bin: Path, keep: Path | None) -> Iterator[tuple[str, bool, str]]:
    """The tool's own code writes files and reads our corrected copies of them."""
    with tempfile.TemporaryDirectory() as name:
        work, copies = Path(name) / "work", Path(name) / "copies"
        work.mkdir()
        copies.mkdir()
        script = [bin / "python", Path(__file__).with_name("inside_tools.py"), tool, work]
        subprocess.run(script, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if tool == "argilla":
            written = [work / "records.json", work / "disk", work / "arrow"]
        else:
            written = sorted(work.glob("*.jsonl"))
        if keep:
            (keep / tool).mkdir(parents=True, exist_ok=True)
            for place in written:
                copy = shutil.copytree if place.is_dir() else shutil.copy
                copy(place, keep / tool / place.name, **({"dirs_exist_ok": True} if place.is_dir() else {}))
        before = _counted(script, work)
        wanted = {}
        for place in written:
            data = ls.load(place)
            old = data.classes[data.labels[0]]
            new = next(known for known in data.classes if known != old)
            (work / "patch.csv").write_text(f"id,old,new\n{data.ids[0]},{old},{new}\n")
            out = copies / place.name if place.is_dir() else copies / f"{place.name}-copy"
            ls.apply(place, patch=work / "patch.csv", out=out)
            answers = 1 if data.votes is None else len(data.votes.of(0))
            wanted[place.name] = Counter(before[place.name]) - Counter({old: answers}) + Counter({new: 1})
            if not place.is_dir():
                shutil.move(out / place.name, copies / place.name)
        after = _counted(script, copies)
    for name, want in wanted.items():
        yield f"{tool} reads {name}", after[name] == want, f"{after[name]} instead of {dict(want)}"


def _counted(script: list[Path | str], folder: Path) -> dict[str, dict[str, int]]:
    """How often the tool reads each class in each file of a folder."""
    done = subprocess.run([*script, folder], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def installed(tool: str, folder: Path) -> Path:
    """The programs of a new environment with the tool."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([folder / "bin" / "pip", "install", *quiet, *PINNED[tool]], check=True)
    return folder / "bin"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", choices=[*PINNED])
    parser.add_argument("--bin", type=Path, help="the programs of an environment that has the tool; else one is made")
    parser.add_argument("--keep", type=Path, help="keep the tool's files in this folder")
    arguments = parser.parse_args()
    tool, keep = arguments.tool, arguments.keep
    with tempfile.TemporaryDirectory() as name:
        bin = (arguments.bin or installed(tool, Path(name))).resolve()
        if tool == "label-studio":
            tried = label_studio(bin, keep)
        else:
            tried = (images if tool in ("datumaro", "fiftyone") else inside)(tool, bin, keep)
        failed = 0
        for what, right, found in tried:
            print(f"PASS {what}" if right else f"FAIL {what}: {found}", flush=True)
            failed += not right
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
