"""`tf.train.Example`, a small message of protocol buffers: named lists of bytes, floats or whole numbers.

An Example is a field 1 of Features, which has one field 1 per feature: its name (1) and its value (2), which is a list
of bytes (1), floats (2) or integers (3) in a field 1. The encoding: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_BYTES, _FLOATS, _INTEGERS = 1, 2, 3
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5  # wire types


@dataclass(frozen=True, slots=True)
class Feature:
    """The values of one feature, and where the first is in the message if they are bytes."""

    kind: int
    values: Any
    begin: int = 0


def features(raw: bytes) -> dict[str, Feature]:
    """The features of an Example by name.

    Raises:
        ValueError: it is not one.
    """
    found = {}
    for begin, end in _entries(raw):
        name, value = "", None
        for number, start, stop in _fields(raw, begin, end):
            if number == 1:
                name = raw[start:stop].decode("utf-8", "backslashreplace")
            elif number == 2:
                value = _feature(raw, start, stop)
        if value is not None:
            found[name] = value
    return found


def replaced(raw: bytes, new: Mapping[str, int | str]) -> bytes:
    """The Example with single new values of some features, which are in it: a whole number, or text."""
    parts = []
    for begin, end in _entries(raw):
        names = (raw[a:b] for number, a, b in _fields(raw, begin, end) if number == 1)
        name = next(names).decode("utf-8", "backslashreplace")
        part = raw[begin:end]
        if name in new:
            value = new[name]
            inner = _field(1, value.encode()) if isinstance(value, str) else _field(1, _varint(value & (1 << 64) - 1))
            kind = _BYTES if isinstance(value, str) else _INTEGERS
            part = _field(1, name.encode()) + _field(2, _field(kind, inner))
        parts.append(_field(1, part))
    rest = b"".join(_field(number, raw[a:b]) for number, a, b in _fields(raw, 0, len(raw)) if number != 1)
    return _field(1, b"".join(parts)) + rest


def _entries(raw: bytes) -> Iterator[tuple[int, int]]:
    for number, start, stop in _fields(raw, 0, len(raw)):
        if number == 2:
            raise ValueError("it is a tf.train.SequenceExample, which holds a series and no single input")
        if number == 1:
            for inner, begin, end in _fields(raw, start, stop):
                if inner == 1:
                    yield begin, end


def _feature(raw: bytes, start: int, stop: int) -> Feature | None:
    for kind, begin, end in _fields(raw, start, stop):
        if kind == _BYTES:
            spans = [(a, b) for number, a, b in _fields(raw, begin, end) if number == 1]
            return Feature(kind, [raw[a:b] for a, b in spans], spans[0][0] if spans else 0)
        if kind == _FLOATS:
            parts = [raw[a:b] for number, a, b in _fields(raw, begin, end) if number == 1]
            return Feature(kind, np.frombuffer(b"".join(parts), "<f4"))
        if kind == _INTEGERS:
            return Feature(kind, _integers(raw, begin, end))
    return None


def _integers(raw: bytes, at: int, end: int) -> list[int]:
    """The numbers of a list, packed into one field, as all writers do now, or each in its own."""
    values: list[int] = []
    while at < end:
        key, at = _read_varint(raw, at)
        if key & 7 == _VARINT:
            value, at = _read_varint(raw, at)
            values.append(value)
            continue
        size, at = _read_varint(raw, at)
        stop = at + size
        while at < stop:
            value, at = _read_varint(raw, at)
            values.append(value)
    return [value - (1 << 64) if value >> 63 else value for value in values]


def _fields(raw: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number, begin and end of each field."""
    while at < end:
        key, at = _read_varint(raw, at)
        wire, number = key & 7, key >> 3
        if wire == _LENGTH:
            size, at = _read_varint(raw, at)
        elif wire in (_EIGHT, _FOUR):
            size = 8 if wire == _EIGHT else 4
        elif wire == _VARINT:
            size = _read_varint(raw, at)[1] - at
        else:
            raise ValueError("it is not a message of protocol buffers")
        if at + size > end:
            raise ValueError("a field is longer than the message")
        yield number, at, at + size
        at += size


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        if at >= len(raw) or shift > 63:
            raise ValueError("a number does not end")
        byte = raw[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content
