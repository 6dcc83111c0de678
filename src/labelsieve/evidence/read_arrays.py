"""The inputs of a data set as one array: features of an encoder, or pixels for a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labelsieve.core.dataset import KINDS, Dataset
from labelsieve.core.errors import UserError
from labelsieve.encode import arrays

Progress = Callable[[str, int, int], None]


def read_arrays(
    data: Dataset,
    folder: Path,
    encoder: str | None,
    side: int | None,
    network: str | None,
    features: bool,
    progress: Progress | None,
) -> arrays.Arrays | None:
    """Features, or pixels for a network; None where there are probabilities, which are evidence already, and no
    features at hand."""
    if network is not None and data.probs is not None:
        raise UserError(
            "The probabilities judge the labels, and so would the network; leave out <probs> or <from_network>.",
            probs="",
            from_network="",
        )
    if network is not None:
        if data.kind != "image":
            raise UserError(
                f"A network is trained on images, and {data.source or 'the data'} holds {KINDS[data.kind]}; leave out "
                "<from_network>.",
                from_network="",
            )
        if encoder is not None:
            raise UserError(
                "A network takes the place of an encoder; leave out <encoder> or <from_network>.",
                encoder="",
                from_network="",
            )
        return arrays.pixels(data, folder, side=side)
    if features:
        return arrays.features(data, folder, encoder=encoder, side=side, progress=progress)
    if encoder not in (None, "none") or side is not None:
        named = f"the encoder {encoder!r}" if encoder not in (None, "none") else f"the side of {side} pixels"
        raise UserError(f"Your own probabilities judge here, and no encoder runs; leave out {named}.")
    return None
