"""labelsieve repair: LIP on the head of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter

from labelsieve.core.errors import UserError

if TYPE_CHECKING:
    from labelsieve.head_repair.head_file import SavedModel


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
    """Mend the head of a model trained on wrong labels, in closed form: leading singular components stay, the others are refitted."""
    from labelsieve.cli.terminal import print_json
    from labelsieve.head_repair.head_file import read_model, write_model
    from labelsieve.head_repair.lip import lip

    saved = read_model(model)
    classes = saved.manifest.get("classes")
    data = [read_features(path, classes) for path in features or _recorded(saved)]
    extra = read_features(held_out, classes) if held_out else None
    names = saved.heads(tuple(head or ()), None if classes else int(data[0][1].max()) + 1)
    if len(data) not in (1, len(names)):
        raise UserError(
            f"There are {len(names)} heads and {len(data)} files of features; give one file, or one for each head."
        )
    if extra and len(data) > 1:
        raise UserError(
            "--held-out serves heads with common features; repair the heads of different networks one by one."
        )
    changed, rows = {}, []
    for i, name in enumerate(names):
        bias = saved.bias(name)
        done = lip(
            saved.arrays[name],
            *data[i if len(data) > 1 else 0],
            bias=saved.arrays[bias] if bias else None,
            keep=keep,
            held_out=extra,
            scale=scale,
        )
        changed[name] = done.weight
        rows.append(
            {
                "head": name,
                "components": len(done.diagonal),
                "kept": done.kept,
                "singular_values": done.components.s.tolist(),
                "new_values": done.diagonal.tolist(),
                "ratio": done.ratio.tolist(),
            }
        )
    settings = {
        "method": "lip",
        "keep": keep,
        "scale": scale,
        "heads": [{k: row[k] for k in ("head", "kept")} for row in rows],
    }
    write_model(out, saved, changed, {**saved.manifest, "heads": list(names), "repair": settings})
    if json:
        print_json({"out": str(out), "scale": scale, "heads": rows})
    else:
        for row in rows:
            _show(row, scale)
        print(f"Written to {out}.")


def _recorded(saved: SavedModel) -> list[Path]:
    """The files of features that the model folder names, one for each head."""
    named = [saved.path / name for name in saved.manifest.get("features") or ()]
    if not named:
        raise UserError(
            f"{saved.path} does not say what its head was trained on; give --features FILE.npz with features and labels."
        )
    gone = next((path for path in named if not path.is_file()), None)
    if gone is not None:
        raise UserError(
            f"{gone} is missing, what the head was trained on; put it back, or give --features FILE.npz with features and labels."
        )
    return named


def read_features(path: Path, classes: list[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) and labels (n,) as positions; labels that are text are looked up in the classes of the model."""
    from labelsieve.head_repair.head_file import read_npz

    arrays = read_npz(path)
    if "features" not in arrays or "labels" not in arrays:
        raise UserError(f"{path} should hold the arrays features and labels; it holds: {', '.join(arrays) or 'none'}.")
    features, labels = arrays["features"], arrays["labels"]
    if features.ndim != 2 or features.dtype.kind not in "fiu" or labels.shape != features.shape[:1] or not len(labels):
        raise UserError(
            f"{path}: features {features.shape} should be numbers (n, d), and labels {labels.shape} one for each, (n,)."
        )
    if labels.dtype.kind in "iu":
        return features, labels
    positions = {name: i for i, name in enumerate(classes or ())}
    unknown = next((str(name) for name in labels.tolist() if str(name) not in positions), None)
    if unknown is not None:
        known = (
            f"the model knows {', '.join(map(str, (classes or ())[:10]))}"
            if classes
            else "the model names no classes: give positions"
        )
        raise UserError(f"{path}: the label {unknown!r} is none of its classes ({known}).")
    return features, np.array([positions[str(name)] for name in labels.tolist()])


def _show(row: dict[str, Any], scale: str) -> None:
    from labelsieve.cli.terminal import safe

    kept, total = row["kept"], row["components"]
    print(f"{safe(row['head'])}: {kept} of {total} components stay, {total - kept} refitted to the given labels.")
    ratios = np.array(row["ratio"][:kept] if kept else row["ratio"], float)
    ratios = ratios[
        np.isfinite(ratios) & (ratios != 0)
    ]  # components that are empty or dead have 0 and say nothing of the size
    ratio = float(np.median(ratios)) if len(ratios) else 1.0
    if ratio < 0 and kept < total:
        print(
            "  Refitted to these labels, the components that stay would change their signs: the head does not say what the labels say."
        )
        print("  Are the features and labels those that it was trained on?")
    elif scale == "targets" and kept < total and not 0.5 < ratio < 2:
        why = "cross-entropy leaves it, so refitted components all but vanish"
        why = why if ratio < 1 else "a strong penalty leaves it, so refitted components outweigh those that stay"
        print(f"  The head is {1 / ratio:.3g} times the size of its targets, as {why};")
        print(
            "  --scale head brings them to its size. Compare both with the old head on labels you trust (docs/lip.md)."
        )
