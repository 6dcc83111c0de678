"""The site: it is built without a warning, and loads nothing from another server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("site")
    sphinx = (sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "--builder", "html", DOCS, folder)
    done = subprocess.run(sphinx, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_on_the_site_and_in_its_menu(site: Path):
    menu = (site / "index.html").read_text()
    for page in PAGES:
        address = page.relative_to(DOCS).with_suffix(".html").as_posix()
        assert (site / address).is_file()
        assert address == "index.html" or f'href="{address}"' in menu, f"{page.name} is in no toctree of index.md"


def test_nothing_is_loaded_from_another_server(site: Path):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe)[^>]+src="([^"]+)"|<link[^>]+href="([^"]+)"', page.read_text())
        assert not [address for pair in loaded for address in pair if re.match(r"(https?:)?//", address)], page.name


def test_every_picture_of_a_page_is_there(site: Path):
    for page in PAGES:
        for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / picture).is_file(), f"{page.name}: {picture}"


def test_options_keep_their_two_hyphens(site: Path):
    """Sphinx would make one dash of them, which nobody can copy into a terminal."""
    for page in PAGES:
        shown = (site / page.relative_to(DOCS)).with_suffix(".html").read_text()
        assert not re.findall(r"\u2013[a-z][a-z-]+", shown), page.name
