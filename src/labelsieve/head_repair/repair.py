"""`repair`: LIP on the heads of a saved model; everything else in the model stays unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import numpy as np

from labelsieve.core.arguments import require_choice, require_path, require_texts, written_to
from labelsieve.core.errors import UserError
from labelsieve.head_repair.head_file import SavedModel, read_model, write_model
from labelsieve.head_repair.head_inputs import read_inputs_of, recorded
from labelsieve.head_repair.lip import Scale, lip
from labelsieve.places.at_addresses import at_addresses, read_from, written_to_address

Inputs = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class RepairedHead:
    """The result of one head.

    Attributes:
        head: the name of its weight matrix.
        components: r, the number of its singular components.
        kept: how many of them were kept.
        singular_values: (r,) the original values, descending.
        new_values: (r,) the values that replace them.
        ratio: (r,) refitted value over singular value, before any scale; NaN where the singular value is 0.
    """

    head: str
    components: int
    kept: int
    singular_values: np.ndarray
    new_values: np.ndarray
    ratio: np.ndarray

    def __repr__(self) -> str:
        return f"RepairedHead({self.head}: {self.kept} of {self.components} components stay)"


@dataclass(frozen=True)
class RepairedModel:
    """What `repair` returns: the path of the repaired model, and the result of each head."""

    out: Path
    scale: Scale
    heads: tuple[RepairedHead, ...]


@at_addresses(model=read_from, out=written_to_address, features=read_from, held_out=read_from)
def repair(
    model: str | PathLike[str],
    *,
    out: str | PathLike[str],
    features: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    keep: float | str = 0.9,
    held_out: str | PathLike[str] | None = None,
    scale: Scale = "targets",
    head: str | Sequence[str] | None = None,
) -> RepairedModel:
    """Repair the head of a model that was trained on wrong labels, in closed form (LIP, `head_repair/lip.py`).

    Args:
        model: a model folder, .npz with W and b, .safetensors, or a PyTorch state dict (.pt, .pth, .ckpt).
        out: the repaired model: a folder, or a name that ends in .npz or .pt.
        features: .npz with `features` (n, d), the inputs of the head for the training set, and `labels` (n,), the given
            labels; one file, or one per head. By default the files in the model folder.
        keep: the components to keep: a fraction (0.9, "90%"), "energy:0.95", "effective-rank" or "held-out".
        held_out: .npz of examples that the head was not trained on, with given labels, for keep="held-out".
        scale: "targets" refits the other components to the labels, as printed in the paper; "head" scales them to the
            size of the head.
        head: name of the head's layer, or one name per head of an ensemble.

    Raises:
        UserError: a file cannot be read, arrays do not fit, or `out` already holds something else.

    >>> ls.repair("model", out="repaired", keep=0.5)  # doctest: +SKIP
    RepairedModel(out=PosixPath('repaired'), scale='targets', heads=(RepairedHead(head.weight: 5 of 10 components
    stay),))
    """
    require_choice(scale, get_args(Scale), "scale")
    requested = _names(head)
    saved, target = read_model(require_path(model, "The model")), require_path(out, "out, the repaired model,")
    classes = saved.manifest.get("classes")
    data = [read_inputs_of(path, classes) for path in _files(features) or recorded(saved)]
    extra = None if held_out is None else read_inputs_of(require_path(held_out, "held_out"), classes)
    names = saved.heads(requested, None if classes else int(data[0][1].max()) + 1)
    _require_fit(names, data, extra)
    changed, heads = {}, []
    for i, name in enumerate(names):
        inputs = data[i if len(data) > 1 else 0]
        weight, result = _repaired(saved, name, inputs, keep=keep, held_out=extra, scale=scale)
        changed[name] = weight
        heads.append(result)
    done: dict[str, Any] = {"method": "lip", "keep": str(keep), "scale": scale}
    done["heads"] = [{"head": one.head, "kept": one.kept} for one in heads]
    with written_to(target):
        write_model(target, saved, changed, {**saved.manifest, "heads": list(names), "repair": done})
    return RepairedModel(target, scale, tuple(heads))


def _repaired(saved: SavedModel, name: str, inputs: Inputs, **settings: Any) -> tuple[np.ndarray, RepairedHead]:
    bias = saved.bias(name)
    repaired = lip(saved.arrays[name], *inputs, bias=saved.arrays[bias] if bias else None, **settings)
    result = RepairedHead(
        name, len(repaired.diagonal), repaired.kept, repaired.components.s, repaired.diagonal, repaired.ratio
    )
    return repaired.weight, result


def _files(features: Any) -> list[Path]:
    """One file or several, as paths."""
    if features is None:
        return []
    several = isinstance(features, list | tuple)
    return [
        require_path(path, "features, a file of the head's inputs,") for path in (features if several else [features])
    ]


def _names(head: Any) -> tuple[str, ...]:
    return () if head is None else (head,) if isinstance(head, str) else tuple(require_texts(head, "head"))


def _require_fit(names: Sequence[str], data: Sequence[Inputs], extra: Inputs | None) -> None:
    if len(data) not in (1, len(names)):
        raise UserError(
            f"There are {len(names)} heads and {len(data)} files of features; pass one file, or one per head."
        )
    if extra and len(data) > 1:
        raise UserError(
            "<held_out> works only for heads with common features; repair the heads of different networks one by one.",
            held_out="",
        )
