"""The NAME=VALUE settings of `train`, and its output."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelsieve.cli.id_table import whole
from labelsieve.cli.terminal import safe
from labelsieve.core.errors import UserError

if TYPE_CHECKING:
    from labelsieve.training.classifier import Model


def named_settings(pairs: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Settings by name, from NAME=VALUE pairs; numbers, true and false become such values.

    Raises:
        UserError: a pair is not NAME=VALUE, a name occurs twice, or a separate option also sets it (is not None).
    """
    named: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--set {pair} is not NAME=VALUE, as in --set q=0.5.")
        name = name.strip().replace("-", "_")
        if name in named or options.get(name) is not None:
            where = f"--set {name}, twice" if name in named else f"--{name} and --set {name}"
            raise UserError(f"{name} is given twice ({where}); leave one out.")
        try:
            named[name] = json.loads(value)
        except ValueError:
            named[name] = value
    return named


def show(model: Model, folder: Path) -> None:
    """Print what was trained, with which settings, and the next commands."""
    about = model.manifest
    settings = {**about["settings"], **about["chosen"]}
    print(f"{folder}: {about['method']}, {about['network']}, {len(model.classes)} classes.")
    print("  " + ", ".join(f"{name} {_short(value)}" for name, value in settings.items() if value is not None))
    if model.excluded:
        first = model.excluded[0]
        print(f"  Left out: {len(model.excluded)}; the first is {whole(first.id)}: {safe(first.reason, 200)}.")
    for note in about["notes"]:
        print(f"  {safe(note, 400)}")
    quoted = shlex.quote(safe(str(folder), 4096))
    print(f"Next: labelsieve predict {quoted} MORE, labelsieve score {quoted} TEST")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
