"""labelsieve repair: LIP on the head of a saved model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from cyclopts import Parameter

from labelsieve.cli.options import Place

if TYPE_CHECKING:
    from labelsieve.head_repair.repair import RepairedHead


def repair(
    model: Annotated[
        Place,
        Parameter(help="Model folder, .npz with W and b, .safetensors, or a PyTorch state dict (.pt, .pth, .ckpt)."),
    ],
    /,
    *,
    out: Annotated[
        Place, Parameter(name=["--out", "-o"], help="The repaired model: a folder, or a name ending in .npz or .pt.")
    ],
    features: Annotated[
        list[Path] | None,
        Parameter(
            help=".npz with features (the head's inputs, training set) and given labels; once, or once per head.",
            negative="",
        ),
    ] = None,
    keep: Annotated[
        str, Parameter(help="Components to keep: a fraction, energy:0.95, effective-rank or held-out.")
    ] = "0.9",
    held_out: Annotated[
        Place | None, Parameter(help=".npz of examples the head was not trained on, with given labels.")
    ] = None,
    scale: Annotated[
        Literal["targets", "head"],
        Parameter(help="Scale of the refitted components: that of the targets or of the head."),
    ] = "targets",
    head: Annotated[
        list[str] | None, Parameter(help="Name of the head's layer; for an ensemble, once per head.", negative="")
    ] = None,
    json: Annotated[bool, Parameter(help="Print repaired JSON object.", negative="")] = False,
) -> None:
    """Repair the head of a model trained on wrong labels: keep leading singular components, refit the others."""
    from labelsieve.cli.terminal import print_json
    from labelsieve.head_repair.repair import repair as run_lip

    done = run_lip(model, out=out, features=features, keep=keep, held_out=held_out, scale=scale, head=head)
    if json:
        print_json({"out": str(out), "scale": scale, "heads": [asdict(repaired) for repaired in done.heads]})
    else:
        for repaired in done.heads:
            _show(repaired, scale)
        print(f"Written to {out}.")


def _show(repaired: RepairedHead, scale: str) -> None:
    from labelsieve.cli.terminal import safe

    kept, total = repaired.kept, repaired.components
    print(f"{safe(repaired.head)}: {kept} of {total} components stay, {total - kept} refitted to the given labels.")
    ratios = repaired.ratio[:kept] if kept else repaired.ratio
    ratios = ratios[np.isfinite(ratios) & (ratios != 0)]  # empty or dead components have 0, which is not a scale
    ratio = float(np.median(ratios)) if len(ratios) else 1.0
    if ratio < 0 and kept < total:
        print("  Refitted to these labels, the kept components would change their signs:")
        print("  the head contradicts the labels.")
        print("  Check that it was trained on these features and labels.")
    elif scale == "targets" and kept < total and not 0.5 < ratio < 2:
        why = "cross-entropy causes this, and refitted components almost vanish"
        why = why if ratio < 1 else "a strong penalty causes this, and refitted components outweigh the kept ones"
        print(f"  The head is {1 / ratio:.3g} times as large as its targets; {why}.")
        print(
            "  --scale head scales them to the head. Compare both with the old head on labels you trust (docs/lip.md)."
        )
