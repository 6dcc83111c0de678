"""Values of options that several commands share: whole numbers in a range, shares, and folders with a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from labelsieve.core.errors import UserError
from labelsieve.core.shares import share

Image = Annotated[str | None, Parameter(help="Column of image paths.")]
Text = Annotated[str | None, Parameter(help="Column of texts.")]
Label = Annotated[str | None, Parameter(help="Column of given labels.")]
Several = Annotated[
    bool,
    Parameter(
        help="Each example may have several labels: --label is a column of lists, or columns of 0 and 1, as tag_*.",
        negative="",
    ),
]
Id = Annotated[str | None, Parameter(help="Column of ids.")]
Annotator = Annotated[
    str | None, Parameter(help="Column that says who gave each vote; or one column per annotator: a,b,c or rater_*.")
]
Votes = Annotated[str | None, Parameter(help="Table of the votes, if they are not in the data.")]
Time = Annotated[
    str | None, Parameter(help="Column of times of the votes: of several of one annotator the last counts.")
]
Format = Annotated[str | None, Parameter(help="Format of the source, if it is not recognised: yolo, voc, ...")]
Labels = Annotated[
    str | None, Parameter(help="File of given labels to use instead (id or file name, label), or those for --probs.")
]
Split = Annotated[str | None, Parameter(help="Read only these splits of the data: train, or train,test.")]
Background = Annotated[
    int | None,
    Parameter(help="Boxes: crops without a box of each picture, to find missing and needless boxes. Default: 8."),
]
Detectors = Annotated[
    str | None,
    Parameter(help="Names, with optional settings: o2u:forget_rate=0.1,aum. Default: all that suit the data."),
]
SEEDS = (0, 2**32 - 1)  # the range of every generator in use
SIDES = (32, 1024)  # pixels; smaller images tell encoders nothing, larger ones fill the memory


def within(bounds: tuple[int, int]) -> Callable[[Any, Sequence[Any]], int]:
    """A converter that reads a whole number within `bounds`, both included."""

    def whole(_: Any, tokens: Sequence[Any]) -> int:
        text = tokens[0].value.strip()
        if not text.removeprefix("-").isdecimal() or not bounds[0] <= int(text) <= bounds[1]:
            raise ValueError(f"{text} is not a whole number from {bounds[0]} to {bounds[1]}.")
        return int(text)

    return whole


def a_share(_: Any, tokens: Sequence[Any]) -> float:
    """A share, written as 20%, 20 % or 0.2."""
    return share(tokens[0].value)


def a_noise(_: Any, tokens: Sequence[Any]) -> float:
    """A share; other numbers, such as 20, pass through and are refused by the method, whose bounds are narrower."""
    try:
        return share(tokens[0].value)
    except UserError:
        with suppress(ValueError):
            return float(tokens[0].value)
        raise


def place(_: Any, tokens: Sequence[Any]) -> Path:
    """A path, or an address as text, because a `Path` keeps only one slash of s3://."""
    text = tokens[0].value
    return text if "://" in text else Path(text)


def folder(_: Any, tokens: Sequence[Any]) -> Path:
    """The path or address of a folder; an empty name, which an unset shell variable leaves, is refused."""
    if not tokens[0].value.strip():
        raise ValueError("The name is empty; give the name of a folder.")
    return place(_, tokens)


Place = Annotated[Path, Parameter(converter=place)]  # a local path or an address

Workers = Annotated[
    int | None,
    Parameter(help="Processes that share the encoding of images and texts.", converter=within((1, 1024))),
]

Ray = Annotated[
    str | None,
    Parameter(help="Workers on a Ray cluster: auto, local (starts one here), or HOST:PORT of its head."),
]

Side = Annotated[
    int | None, Parameter(help="Image side in pixels for the encoder, 32 to 1024.", converter=within(SIDES))
]
