"""JSON files that are changed in place: written again in the form they had."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from labelsieve.core.errors import UserError, first_line
from labelsieve.places import paths

_HEAD = 1 << 16  # bytes by which the form is known


@dataclass(frozen=True, eq=False)
class JsonFile:
    """A JSON file: its name below the folder of the data, what it holds, and its bytes."""

    name: str
    value: Any
    raw: bytes

    def dumped(self) -> bytes:
        """The value as it is now, indented as the file was."""
        indented = re.match(rb"[{\[]\s*\n( +|\t+)", self.raw)
        indent = None if indented is None else indented[1].decode()
        compact = b'": ' not in self.raw[:_HEAD]
        separators = (",", ":") if compact else (", ", ": ") if indent is None else (",", ": ")
        text = json.dumps(self.value, ensure_ascii=self.raw.isascii(), indent=indent, separators=separators)
        return text.encode("utf-8", "surrogatepass") + (b"\n" if self.raw.endswith(b"\n") else b"")


def json_file(folder: str, name: str) -> JsonFile:
    """The JSON file `name` below the folder.

    Raises:
        UserError: it cannot be read, or is not JSON.
    """
    path = paths.join(folder, name)
    raw = paths.read(path)
    try:
        return JsonFile(name, json.loads(raw), raw)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {first_line(error)}.") from error
