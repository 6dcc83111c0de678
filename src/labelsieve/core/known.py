"""Examples whose true class is known, kept in the run folder (`known.json`) and planted among the others to see how a reviewer does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from labelsieve.core.errors import UserError
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
        return {str(key): str(label) for key, label in said.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); name the known examples with --known again, or remove it.") from error
