"""Builds what is published: the source archive, the wheel made from it, and their bills of materials.

    python .ci/make_dist.py [FOLDER]        (default: dist)

The same commit gives the same bytes. The bills of materials are CycloneDX: `*.cdx.json` lists what `pip install` of the
wheel brings, in the versions of constraints.txt, and `*.page.cdx.json` the JavaScript packages that the review page was
built with. Nothing is installed into the environment that runs this.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("build", "cyclonedx-bom")


def main(out):
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        tools = environment(Path(folder, "tools"), *TOOLS)
        stamp = said("git", "log", "-1", "--format=%ct").strip()
        said(tools, "-m", "build", "--outdir", out, SOURCE_DATE_EPOCH=stamp)
        (wheel,) = out.glob("*.whl")
        clean = environment(Path(folder, "clean"), wheel)
        bill = said(tools, "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml", clean)
    name = "-".join(wheel.name.split("-")[:2])
    write(out / f"{name}.cdx.json", bill)
    node = web_environment()
    page = said("npm", "sbom", "--package-lock-only", "--sbom-format", "cyclonedx", where=ROOT / "web", **node)
    write(out / f"{name}.page.cdx.json", page)
    for file in sorted(out.iterdir()):
        print(f"{file.stat().st_size:>12,}  {file.name}")


def said(*command, where=ROOT, **variables):
    """What a command prints; it ends this script if it fails."""
    parts = [str(part) for part in command]
    done = subprocess.run(parts, cwd=where, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables})
    if done.returncode:
        sys.exit(f"{' '.join(parts)} failed:\n{done.stdout}")
    return done.stdout


def environment(folder, *packages):
    """A new environment with packages in the versions of constraints.txt; returns its Python."""
    said(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    quiet = ("--quiet", "--disable-pip-version-check", "--constraint", "constraints.txt")
    said(sys.executable, "-m", "pip", "--python", python, "install", *quiet, *packages)
    return python


def write(file, bill):
    """A bill of materials without what differs from run to run."""
    content = json.loads(bill)
    content.pop("serialNumber", None)
    content.get("metadata", {}).pop("timestamp", None)
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def web_environment():
    """Where `npm` is found: as for building the page."""
    sys.path.insert(0, str(ROOT / "web"))
    import build as page

    return page.environment()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist").resolve())
