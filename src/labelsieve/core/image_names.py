"""Names of image files, known by their suffix."""

from __future__ import annotations

import os

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".mpo")
SUFFIXES += (".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".jpx", ".dcm")
SUFFIXES += (".dicom", ".tga", ".ico", ".pcx")


def is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def without_suffix(name: str) -> str:
    """The name without the suffix of an image; any other name as it is."""
    return os.path.splitext(name)[0] if is_image(name) else name
