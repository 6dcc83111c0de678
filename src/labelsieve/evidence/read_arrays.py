"""The inputs of a data set as one array: features of an encoder, or pixels for a network."""

from __future__ import annotations

from pathlib import Path

from labelsieve.core.dataset import KINDS, Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.progress_callback import Progress
from labelsieve.core.workers import Workers
from labelsieve.encode import arrays


def read_arrays(
    data: Dataset,
    folder: Path,
    encoder: str | None,
    side: int | None,
    network: str | None,
    features: bool,
    progress: Progress | None,
    workers: Workers | None = None,
) -> arrays.Arrays | None:
    """Features, or pixels for a network; None if there are only probabilities, which are evidence already."""
    if workers is not None and (network is not None or not features):
        raise UserError(
            "Workers share the encoding of images and texts, and here no encoder runs; leave out <workers> and <ray>.",
            workers="",
            ray="",
        )
    if network is not None and data.probs is not None:
        raise UserError(
            "Both the probabilities and the network would judge the labels; leave out <probs> or <from_network>.",
            probs="",
            from_network="",
        )
    if network is not None:
        if data.kind != "image":
            raise UserError(
                f"A network is trained on images, but {data.source or 'the data'} holds {KINDS[data.kind]}; leave out "
                "<from_network>.",
                from_network="",
            )
        if encoder is not None:
            raise UserError(
                "A network replaces the encoder; leave out <encoder> or <from_network>.",
                encoder="",
                from_network="",
            )
        return arrays.pixels(data, folder, side=side)
    if features:
        return arrays.features(data, folder, encoder=encoder, side=side, workers=workers, progress=progress)
    if encoder not in (None, "none") or side is not None:
        named = f"the encoder {encoder!r}" if encoder not in (None, "none") else f"the side of {side} pixels"
        raise UserError(f"Your own probabilities judge the labels, so no encoder runs; leave out {named}.")
    return None
