"""Examples whose true class is known, kept in the run folder (`known.json`) and planted among the others to see how a reviewer does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from labelsieve.core.errors import UserError, cause
from labelsieve.core.files import write_json

FILE = "known.json"


def save(folder: str | Path, known: Mapping[str, str]) -> None:
    """Keep the known class of each id; what was kept before goes."""
    write_json(Path(folder) / FILE, dict(known))


def load(folder: str | Path) -> dict[str, str]:
    """Id -> known class; {} where there are none.

    Raises:
        UserError: the file is damaged.
    """
    path = Path(folder) / FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(said, dict) or not all(isinstance(label, str) for label in said.values()):
            raise ValueError("it should name the class of each id")
        return said
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({cause(error)}); name the known examples with --known again, or remove it.") from error
