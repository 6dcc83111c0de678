"""The files of a run folder by name, and how to tell a run or a model from data."""

from __future__ import annotations

import json
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.core.printable import visible
from labelsieve.core.wording import Wording, shell_command

FINDINGS, MANIFEST, EXCLUDED, EVIDENCE, LEAKS = "findings.parquet", "run.json", "excluded.csv", "evidence", "leaks.csv"


def require_data(name: str) -> None:
    """Refuse a run folder, its table of findings, or a model folder where data are expected.

    Raises:
        UserError: it is one of them.
    """
    path = Path(name)
    run = path.parent if path.name in (FINDINGS, MANIFEST, EXCLUDED) else path
    if (run / MANIFEST).is_file() and ((run / FINDINGS).exists() or _begun(run)):
        raise UserError(
            f"{visible(name, 200)} is a run of Labelsieve, not data; to review it: <review>",
            review=Wording(f"ls.review({str(run)!r})", shell_command("review", run)),
        )
    if (path / "model.json").is_file() and (path / "weights.safetensors").is_file():
        raise UserError(
            f"{visible(name, 200)} is a model, not data; to use it on data: <predict>, or score.",
            predict=Wording(
                f"ls.Model.load({str(path)!r}).probabilities(data)", f"{shell_command('predict', path)} DATA"
            ),
        )


def _begun(folder: Path) -> bool:
    try:
        return "finished" in json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False
