"""Puts the built review page into the wheel and the source archive; a build without it fails.

An editable install does not build the page: `make web` does, and the server says so where the page is missing.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _page(root: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("labelsieve_page", Path(root) / "web" / "build.py")
    if spec is None or spec.loader is None:
        raise RuntimeError("web/build.py is missing, so the review page cannot be built.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page(BuildHookInterface):
    """The build hook; see https://hatch.pypa.io/latest/plugins/build-hook/custom/."""

    def _there(self) -> bool:
        """Whether a built page came along, as in a source archive, which has no sources of it."""
        return (Path(self.root) / "src" / "labelsieve" / "page" / "static" / "index.html").is_file()

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling: Node, where the machine has none."""
        if not (Path(self.root) / "web" / "build.py").is_file():
            return []
        page = _page(self.root)
        return [] if page.current() or page.node_on_path() else [page.NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page unless it is current."""
        if version == "editable":
            return
        if (Path(self.root) / "web" / "build.py").is_file():
            _page(self.root).build()
        if not self._there():
            raise RuntimeError(
                "The review page is missing from src/labelsieve/page/static; run `python web/build.py` in a checkout."
            )
        build_data["artifacts"].append("/src/labelsieve/page/static/")
