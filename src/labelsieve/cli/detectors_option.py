"""The option --detectors: names, each with settings after colons, as in o2u:forget_rate=0.1,aum."""

from __future__ import annotations

import json
from typing import Any

from labelsieve.core.errors import UserError


def read_option(text: str | None) -> list[str] | dict[str, dict[str, Any]] | None:
    """The value of --detectors: a list if no detector has settings. Numbers, true, false and null are read as such.

    Raises:
        UserError: a setting is not NAME=VALUE, or a detector or setting occurs twice.
    """
    if not text:
        return None
    detectors: dict[str, dict[str, Any]] = {}
    for part in text.split(","):
        name, *pairs = (piece.strip() for piece in part.split(":"))
        if not name or (":" in part and not any(pairs)):
            raise UserError(
                f"--detectors {text.strip()!r} lacks a name between commas or a setting after a colon; write it like "
                "o2u:forget_rate=0.1,aum."
            )
        if name in detectors:
            raise UserError(f"--detectors names {name!r} twice; name it once, with all its settings.")
        detectors[name] = {}
        for pair in pairs:
            setting, equals, value = (piece.strip() for piece in pair.partition("="))
            setting = setting.replace("-", "_")
            if not equals or not setting or not value:
                raise UserError(f"--detectors {part.strip()}: {pair!r} is not NAME=VALUE, as in o2u:forget_rate=0.1.")
            if setting in detectors[name]:
                raise UserError(f"--detectors {part.strip()}: {setting} is set twice; remove one.")
            detectors[name][setting] = _value(value)
    return detectors if any(detectors.values()) else list(detectors)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
