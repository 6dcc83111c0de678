"""labelsieve spectrum: the singular components of two heads side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from labelsieve.cli.options import Place


def spectrum(
    clean: Annotated[Place, Parameter(help="The reference: model folder, .npz, .safetensors or PyTorch state dict.")],
    noisy: Annotated[Place, Parameter(help="The model to compare with it.")],
    /,
    *,
    out: Annotated[Place | None, Parameter(name=["--out", "-o"], help="Write the figures to this HTML file.")] = None,
    k: Annotated[
        int | None, Parameter(help="Leading directions to compare; default: the effective rank of the first.")
    ] = None,
    head: Annotated[str | None, Parameter(help="Name of the head's layer in both models.")] = None,
    json: Annotated[bool, Parameter(help="Print everything as one JSON object.", negative="")] = False,
) -> None:
    """Compare two heads: singular values, effective rank, overlap of directions, principal angles and their bound."""
    from labelsieve.cli.terminal import print_json
    from labelsieve.reports.two_heads import spectrum as compare

    result = compare(clean, noisy, out=out, k=k, head=head)
    if json:
        print_json(asdict(result))
        return
    largest, shared = result.features.angles[-1], result.features.phi[result.k - 1, result.k - 1]
    print(f"Effective rank {result.effective[0]:.1f} and {result.effective[1]:.1f} of {len(result.first)}.")
    print(f"The {result.k} leading directions share {shared:.3f} of their space; the largest angle")
    print(f"between them is {np.degrees(largest):.1f} degrees (sine {np.sin(largest):.3f}, bound {result.bound:.3g}).")
    if out is not None:
        print(f"Figures in {out}.")
