"""What is published: the archive, the wheel, their bills of materials, and the wheel in an environment of its own."""

import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the time of the commit is that of the files"),
]


def built(folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "make_dist.py", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("dist") / "first")


def only(folder: Path, ending: str) -> Path:
    (file,) = folder.glob(f"*{ending}")
    return file


def test_the_same_commit_gives_the_same_bytes(dist: Path, tmp_path: Path):
    def sums(folder: Path) -> dict[str, str]:
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}

    assert sums(built(tmp_path / "second")) == sums(dist)


def test_the_wheel_holds_page_types_and_licences(dist: Path):
    with zipfile.ZipFile(only(dist, ".whl")) as wheel:
        names = set(wheel.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = wheel.read(metadata).decode()
    assert {"labelsieve/py.typed", "labelsieve/page/static/index.html"} <= names
    licences = {name.rpartition("/")[2] for name in names if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE", "licences.md"}
    assert not [name for name in names if name.startswith(("tests/", "docs/", "bench/"))]
    for line in ("License-Expression: Apache-2.0", "Project-URL: Documentation, ", "Requires-Python: >=3.11"):
        assert line in text


def test_the_archive_holds_what_is_needed_to_build_and_test(dist: Path):
    with tarfile.open(only(dist, ".tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = (
        "pyproject.toml",
        "Makefile",
        "constraints.txt",
        "CITATION.cff",
        "SECURITY.md",
        ".ci/run",
        "hatch_build.py",
    )
    assert names.issuperset(files)
    assert {name.partition("/")[0] for name in names} >= {"src", "tests", "docs", "web", "bench", "findings"}
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]


def test_the_bills_of_materials_name_every_dependency_and_its_licence(dist: Path):
    parts = {one["name"].lower(): one for one in json.loads(only(dist, "0.cdx.json").read_text())["components"]}
    wanted = ("numpy", "pyarrow", "pillow", "cyclopts", "rich", "threadpoolctl", "starlette", "uvicorn", "jinja2")
    assert parts.keys() >= {*wanted, "safetensors"}
    assert all(parts[name]["licenses"] and parts[name]["version"] for name in wanted)
    assert not parts.keys() & {"torch", "pytest", "pip"}
    page = json.loads(only(dist, ".page.cdx.json").read_text())["components"]
    assert "svelte" in {one["name"] for one in page}


def test_the_wheel_alone_finds_wrong_labels_and_serves_its_page(dist: Path, tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "clean"], check=True)
    python = tmp_path / "clean" / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--constraint",
        ROOT / "constraints.txt",
    ]
    subprocess.run([*pip, only(dist, ".whl")], check=True)
    rows = ["id,x,y,label", *(f"{i},{i % 2 * 9 + i * 0.01},{i * 0.02},{'ab'[i % 2 ^ (i == 7)]}" for i in range(80))]
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    find = [python, "-m", "labelsieve", "find", "table.csv", "--json"]
    found = subprocess.run(find, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    code = "import labelsieve as ls; r = ls.open_run('table.sieve'); print(r.findings.top(1).table()['id'][0])"
    first = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert first.stdout.strip() == "7", first.stderr
    images = subprocess.run(
        [python, "-m", "labelsieve", "find", "."], cwd=tmp_path / "clean", capture_output=True, text=True, check=False
    )
    assert images.returncode == 2 and "Traceback" not in images.stderr
    script = subprocess.run([python.parent / "labelsieve", "completion", "bash"], capture_output=True, text=True)
    (tmp_path / "completion").write_text(script.stdout)
    ask = "source completion; COMP_WORDS=(labelsieve rev); COMP_CWORD=1; _labelsieve; echo ${COMPREPLY[@]}"
    told = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True)
    assert told.stdout == "review\n", told.stderr
    later = subprocess.run([*pip, "--dry-run", "--report", tmp_path / "later.json", "labelsieve[duckdb]"])
    assert later.returncode == 0, "an installed wheel takes its extras by name"
    names = [one["metadata"]["name"] for one in json.loads((tmp_path / "later.json").read_text())["install"]]
    assert "duckdb" in names and "labelsieve" not in names
