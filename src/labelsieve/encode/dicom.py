"""DICOM files through pydicom: the values of the first frame as the standard says they are to be shown.

Order (PS3.3 C.7.6.3.1.2, C.11.1, C.11.2): stored values, modality (rescale slope and intercept, or a table), window (or
a table), then MONOCHROME1 means that the smallest value is white. A window gives 8 bits; without one the values are
shown on the scale of the data set, as those of other pictures of more than 8 bits. Colours become RGB.

Only the elements in `_ELEMENTS` are read from a file: nothing about a patient is ever parsed, and messages hold no
value of the file.
"""

from __future__ import annotations

import io
import warnings
from functools import cache
from typing import Any

import numpy as np

from labelsieve.encode.raster import DecodeError, Raster, reader

_LUT = "PaletteColorLookupTable"
_ELEMENTS = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    *(f"{colour}{_LUT}{part}" for colour in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")),
    *(f"Segmented{colour}{_LUT}Data" for colour in ("Red", "Green", "Blue")),
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
]
_RESCALE, _WINDOW = "PixelValueTransformationSequence", "FrameVOILUTSequence"


def recognises(data: bytes) -> bool:
    return data[128:132] == b"DICM"


def opened(data: bytes) -> Raster:
    """The first frame of a DICOM file.

    Raises:
        DecodeError: pydicom is not installed, the file holds no picture, or it is damaged; reading may raise the same.
    """
    pydicom = _pydicom()
    try:
        file = pydicom.dcmread(io.BytesIO(data), specific_tags=_ELEMENTS)
    except Exception as error:  # its readers raise many kinds of exceptions
        raise _damaged(error) from None
    if not any(name in file for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise DecodeError("a DICOM file without a picture")
    try:
        size = int(file.Columns), int(file.Rows)
        bands, frames = int(file.get("SamplesPerPixel", 1)), int(file.get("NumberOfFrames") or 1)
    except Exception as error:
        raise _damaged(error) from None
    return Raster("DICOM", size, bands, frames, lambda: _read(file))


@cache
def _pydicom() -> Any:
    pydicom = reader("pydicom", "a DICOM file", "dicom")
    warnings.filterwarnings("ignore", module="pydicom")  # they may quote the file
    return pydicom


def _read(file: Any) -> np.ndarray:
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    syntax = file.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and not _can_decompress(syntax):
        raise DecodeError(
            f"a DICOM file compressed as {syntax.name}, which needs python-gdcm; install it with: "
            "pip install 'labelsieve[dicom]'"
        )
    try:
        array = np.asarray(pixel_array(file, index=0))
        if file.PhotometricInterpretation == "PALETTE COLOR":
            array = apply_color_lut(array, file)
            return array if array.dtype == np.uint8 else (array >> 8).astype(np.uint8)
        return array if array.ndim == 3 else _shown(array, file)
    except RuntimeError:  # no decoder of this compression reads these values, or they are damaged
        raise DecodeError(f"a DICOM file whose compression, {syntax.name}, could not be read") from None
    except Exception as error:
        raise _damaged(error) from None


def _can_decompress(syntax: Any) -> bool:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def _shown(stored: np.ndarray, file: Any) -> np.ndarray:
    """Grey stored values (H, W) as they are to be shown: uint8 if the file says how, else values of more bits."""
    from pydicom.pixels.processing import apply_voi

    inverted = file.PhotometricInterpretation == "MONOCHROME1"
    bits = int(file.get("BitsStored", 0) or 0)
    slope, intercept = _number(file, _RESCALE, "RescaleSlope"), _number(file, _RESCALE, "RescaleIntercept")
    centre, width = _number(file, _WINDOW, "WindowCenter"), _number(file, _WINDOW, "WindowWidth")
    if table := file.get("VOILUTSequence"):
        values = apply_voi(_rescaled(stored, slope, intercept, file), file)
        share = values / float(2 ** int(table[0].LUTDescriptor[2]) - 1)
    elif centre is not None and width is not None and width > 0:
        function = _element(file, _WINDOW, "VOILUTFunction") or "LINEAR"
        share = _windowed(_rescaled(stored, slope, intercept, file).astype(np.float64), centre, width, function)
    else:
        if inverted and stored.dtype.kind in "iu":
            low = -(2 ** (bits - 1)) if stored.dtype.kind == "i" else 0
            stored = (2 * low + 2**bits - 1 - stored.astype(np.int64)).astype(stored.dtype)
        if stored.dtype == np.uint8 and not slope and not intercept and bits < 8:
            return (stored.astype(np.uint16) * 255 // (2**bits - 1)).astype(np.uint8)
        return _rescaled(stored, slope, intercept, file)
    grey = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return 255 - grey if inverted else grey


def _rescaled(stored: np.ndarray, slope: float | None, intercept: float | None, file: Any) -> np.ndarray:
    if file.get("ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        return apply_modality_lut(stored, file)
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if (slope, intercept) == (1.0, 0.0):
        return stored
    values = stored.astype(np.float64) * slope + intercept
    whole = slope.is_integer() and intercept.is_integer()
    return values.astype(np.int32 if whole else np.float32)


def _windowed(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """Shares of white, of which those outside 0 to 1 are black or white (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == "LINEAR_EXACT":
        return (values - centre) / width + 0.5
    return (values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5


def _element(file: Any, group: str, name: str) -> Any:
    """An element of the first frame: its own, that of all frames, or that of the file; of several values the first."""
    for frames in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for part in (file.get(frames) or [])[:1]:
            for item in (part.get(group) or [])[:1]:
                if item.get(name) is not None:
                    return _first(item.get(name))
    return _first(file.get(name))


def _number(file: Any, group: str, name: str) -> float | None:
    value = _element(file, group, name)
    return None if value is None or value == "" else float(value)


def _first(value: Any) -> Any:
    return value if isinstance(value, str) or not hasattr(value, "__len__") else value[0] if len(value) else None


def _damaged(error: Exception) -> DecodeError:
    """What pydicom says may quote the file, so only the kind of the error is told."""
    return error if isinstance(error, DecodeError) else DecodeError(f"a damaged DICOM file ({type(error).__name__})")
