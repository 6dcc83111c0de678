"""The formats of other tools, by the names that `export` and `import_decisions` take."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Literal

from labelsieve.core.errors import UserError, meant

Tool = Literal["label-studio", "fiftyone", "coco", "csv", "hf"]
MODULES: dict[str, str] = {
    "label-studio": "label_studio",
    "fiftyone": "fiftyone",
    "coco": "coco",
    "csv": "csv",
    "hf": "huggingface_folder",
}


def module_of(tool: str) -> ModuleType:
    """The module that writes and reads the format of a tool.

    Raises:
        UserError: there is no such format.
    """
    if not isinstance(tool, str) or tool not in MODULES:
        raise UserError(f"There is no format {tool!r}.{meant(str(tool), MODULES)} There are: {', '.join(MODULES)}.")
    return import_module(f"labelsieve.exchange.{MODULES[tool]}")
