"""The list of licences: it names every dependency, in the version that is tested, and no licence is unknown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "licences.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SPDX = re.compile(r"[A-Za-z0-9][\w.-]+( (AND|OR|WITH) [\w.-]+)*( and others, below)?")


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()


def rows(heading: str) -> list[list[str]]:
    text = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]


@pytest.mark.parametrize("group", ["core", *PROJECT["optional-dependencies"]])
def test_every_dependency_is_listed_where_it_belongs(group):
    lines = PROJECT["dependencies"] if group == "core" else PROJECT["optional-dependencies"][group]
    listed = {row[0]: row[4] for row in rows("What Labelsieve uses")}
    for line in lines:
        place = listed.get(plain(line), "")
        again = f"{line}: run `python .ci/list_licences.py`"
        assert place == "core" or f"`{group}`" in place, again


def test_no_licence_is_unknown_and_every_version_is_the_tested_one():
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    tested = {plain(name): number for name, number in tested.items()}
    listed = [*rows("What Labelsieve uses"), *rows("What these bring along")]
    assert len(listed) > 60
    for name, version, licence, *_ in listed:
        assert SPDX.fullmatch(licence) and "UNKNOWN" not in licence, (name, licence)
        assert version == tested.get(name, version), f"{name}: run `python .ci/list_licences.py`"


@pytest.mark.slow
def test_the_review_page_holds_the_packages_that_are_named_with_their_notices(tmp_path):
    sys.path.insert(0, str(ROOT / "web"))
    try:
        import build as page
    finally:
        sys.path.remove(str(ROOT / "web"))
    if not (ROOT / "web" / "node_modules" / "vite").is_dir():
        pytest.skip("what builds the page is not installed")
    vite = ("npx", "vite", "build", "--sourcemap", "--outDir", tmp_path, "--emptyOutDir", "--logLevel", "error")
    subprocess.run(vite, cwd=ROOT / "web", env=page.environment(), check=True)
    sources = [source for one in tmp_path.rglob("*.js.map") for source in json.loads(one.read_text())["sources"]]
    held = {match[1] for one in sources if (match := re.search(r"node_modules/((?:@[^/]+/)?[^/]+)", one))}
    assert held == {row[0] for row in rows("In the review page")}
    notice = (ROOT / "NOTICE").read_text()
    for name in held:
        (file,) = [one for one in (ROOT / "web/node_modules" / name).iterdir() if one.stem.lower() == "license"]
        holder = re.search(r"Copyright \(c\) (?:[\d-]+ )?\[?([\w ]+)", file.read_text())[1]
        assert holder.strip() in notice, name
