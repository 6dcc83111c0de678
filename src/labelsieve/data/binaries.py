"""Columns of bytes: pictures, texts stored as bytes, or something else. The first bytes of some cells decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

LOOK = 50  # rows
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\1\0")
_PICTURES += (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\x0a\x05\x01")
_PORTABLE = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7")  # PBM, PGM, PPM, PAM, then a blank
_SOUNDS = (
    b"OggS",
    b"fLaC",
    b"ID3",
    b"\xff\xfb",
    b"\xff\xf3",
    b"%PDF",
    b"PK\3\4",
    b"\x1f\x8b",
    b"\x93NUMPY",
    b"\x80\4\x95",
)


def is_bytes(kind: pa.DataType) -> bool:
    from pyarrow import types

    return (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def is_record(kind: pa.DataType) -> bool:
    """Whether it is Hugging Face's record of bytes and a path."""
    from pyarrow import types

    return types.is_struct(kind) and kind.get_field_index("bytes") >= 0


def is_picture(data: bytes) -> bool:
    """Whether the bytes begin like an encoded image."""
    if data[:4] == b"RIFF":
        return data[8:12] == b"WEBP"
    if data[4:8] == b"ftyp":
        return data[8:11] in (b"avi", b"hei", b"mif", b"msf", b"hev")
    return data.startswith(_PICTURES) or data[128:132] == b"DICM" or (data[:2] in _PORTABLE and data[2:3].isspace())


def what(cells: Sequence[bytes]) -> str:
    """ "image", "text" or "other": what most of the cells are; none of them is empty."""
    if 2 * sum(map(is_picture, cells)) >= len(cells):
        return "image"
    return "text" if all(map(_is_text, cells)) else "other"


def is_foreign(cells: Sequence[bytes]) -> bool:
    """Whether some of the cells begin like sounds, archives or documents."""
    return any(cell.startswith(_SOUNDS) or (cell[:4] == b"RIFF" and cell[8:12] == b"WAVE") for cell in cells)


def _is_text(cell: bytes) -> bool:
    head = cell[:4000]
    try:
        text = head.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) == len(cell):
            return False
        text = head[: error.start].decode()
    return all(c.isprintable() or c.isspace() for c in text)
