"""The option --detectors: names, each with settings after colons, as in o2u:forget_rate=0.1,aum."""

from __future__ import annotations

import json
from typing import Any

from labelsieve.core.errors import UserError


def read_option(text: str | None) -> list[str] | dict[str, dict[str, Any]] | None:
    """What --detectors holds; a list where no detector has settings. Numbers, true, false and null are read as such.

    Raises:
        UserError: a setting is not NAME=VALUE, or a detector or setting stands twice.
    """
    if not text:
        return None
    found: dict[str, dict[str, Any]] = {}
    for part in text.split(","):
        name, *pairs = (piece.strip() for piece in part.split(":"))
        if name in found:
            raise UserError(f"--detectors names {name!r} twice; name it once, with all its settings.")
        found[name] = {}
        for pair in pairs:
            setting, equals, value = (piece.strip() for piece in pair.partition("="))
            setting = setting.replace("-", "_")
            if not equals or not setting or not value:
                raise UserError(f"--detectors {part.strip()}: {pair!r} is not NAME=VALUE, as in o2u:forget_rate=0.1.")
            if setting in found[name]:
                raise UserError(f"--detectors {part.strip()}: {setting} is there twice; leave one out.")
            found[name][setting] = _value(value)
    return found if any(found.values()) else list(found)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
