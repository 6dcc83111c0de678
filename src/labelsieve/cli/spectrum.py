"""labelsieve spectrum: the singular components of two heads side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from labelsieve.core.errors import UserError


def spectrum(
    clean: Annotated[Path, Parameter(help="The reference: model folder, .npz, .safetensors or PyTorch state dict.")],
    noisy: Annotated[Path, Parameter(help="The model to compare with it.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="Write the figures to this HTML file.")] = None,
    k: Annotated[
        int | None, Parameter(help="Leading directions to compare; default: the effective rank of the first.")
    ] = None,
    head: Annotated[str | None, Parameter(help="Name of the head's layer in both models.")] = None,
    json: Annotated[bool, Parameter(help="Print everything as one JSON object.", negative="")] = False,
) -> None:
    """Compare two heads: singular values, effective rank, overlap of their directions, principal angles and the bound on them."""
    from labelsieve.cli.terminal import print_json
    from labelsieve.core.files import replacing, require_own
    from labelsieve.head_repair.head_file import read_model
    from labelsieve.head_repair.spectrum import compare
    from labelsieve.reports.spectrum_page import BEGINS, page

    if out is not None:
        if out.suffix.lower() not in (".html", ".htm"):
            raise UserError(f"{out} is no .html; name an HTML file for the figures with -o.")
        require_own(out, BEGINS, "spectrum")
    models = [read_model(path) for path in (clean, noisy)]
    classes = [model.manifest.get("classes") for model in models]
    if all(classes) and classes[0] != classes[1]:
        raise UserError(
            f"{clean} and {noisy} know different classes, or in another order; their heads cannot be compared."
        )
    names = [model.heads((head,) if head else ()) for model in models]
    if len(names[0]) > 1 or len(names[1]) > 1:
        raise UserError(f"Name one head with --head: {', '.join(sorted({*names[0], *names[1]}))}.")
    found = compare(*(model.arrays[name] for model, (name,) in zip(models, names, strict=True)), k=k)
    if out is not None:
        with replacing(out) as partial:
            partial.write_text(page(found, clean.name or str(clean), noisy.name or str(noisy)), encoding="utf-8")
    if json:
        print_json(_lists(asdict(found)))
        return
    angles = np.degrees(found.features.angles)
    print(f"Effective rank {found.effective[0]:.1f} and {found.effective[1]:.1f} of {len(found.first)}.")
    print(
        f"The {found.k} leading directions share {found.features.phi[found.k - 1, found.k - 1]:.3f} of their space; the largest angle"
    )
    print(
        f"between them is {angles[-1]:.1f} degrees (sine {np.sin(found.features.angles[-1]):.3f}, bound {found.bound:.3g})."
    )
    if out is not None:
        print(f"Figures in {out}.")


def _lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
