"""labelsieve repair: LIP on the head of a saved model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from cyclopts import Parameter

if TYPE_CHECKING:
    from labelsieve.head_repair.repair import RepairedHead


def repair(
    model: Annotated[
        Path,
        Parameter(help="Model folder, .npz with W and b, .safetensors, or a PyTorch state dict (.pt, .pth, .ckpt)."),
    ],
    /,
    *,
    out: Annotated[
        Path, Parameter(name=["--out", "-o"], help="The repaired model: a folder, or a name ending in .npz or .pt.")
    ],
    features: Annotated[
        list[Path] | None,
        Parameter(
            help=".npz with features (the head's inputs, training set) and labels (given); once, or for each head.",
            negative="",
        ),
    ] = None,
    keep: Annotated[
        str, Parameter(help="Components that stay: a fraction, energy:0.95, effective-rank or held-out.")
    ] = "0.9",
    held_out: Annotated[
        Path | None, Parameter(help=".npz of examples the head was not trained on, with given labels.")
    ] = None,
    scale: Annotated[
        Literal["targets", "head"], Parameter(help="Size of refitted components: as the targets or as the head.")
    ] = "targets",
    head: Annotated[
        list[str] | None, Parameter(help="Name of the head's layer; for an ensemble, once for each.", negative="")
    ] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> None:
    """Repair the head of a model trained on wrong labels, in closed form: leading singular components stay, the others are refitted."""
    from labelsieve.cli.terminal import print_json
    from labelsieve.head_repair.repair import repair as run_lip

    done = run_lip(model, out=out, features=features, keep=keep, held_out=held_out, scale=scale, head=head)
    if json:
        print_json({"out": str(out), "scale": scale, "heads": [asdict(one) for one in done.heads]})
    else:
        for one in done.heads:
            _show(one, scale)
        print(f"Written to {out}.")


def _show(one: RepairedHead, scale: str) -> None:
    from labelsieve.cli.terminal import safe

    kept, total = one.kept, one.components
    print(f"{safe(one.head)}: {kept} of {total} components stay, {total - kept} refitted to the given labels.")
    ratios = one.ratio[:kept] if kept else one.ratio
    ratios = ratios[np.isfinite(ratios) & (ratios != 0)]  # empty or dead components have 0, which is no size
    ratio = float(np.median(ratios)) if len(ratios) else 1.0
    if ratio < 0 and kept < total:
        print("  Refitted to these labels, the components that stay would change their signs:")
        print("  the head does not say what the labels say.")
        print("  Are the features and labels those that it was trained on?")
    elif scale == "targets" and kept < total and not 0.5 < ratio < 2:
        why = "cross-entropy leaves it, so refitted components all but vanish"
        why = why if ratio < 1 else "a strong penalty leaves it, so refitted components outweigh those that stay"
        print(f"  The head is {1 / ratio:.3g} times the size of its targets, as {why};")
        print(
            "  --scale head brings them to its size. Compare both with the old head on labels you trust (docs/lip.md)."
        )
