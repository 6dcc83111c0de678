"""labelsieve noise: wrong labels on purpose, for tests and benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from labelsieve.core.errors import UserError


def noise(
    source: Annotated[str, Parameter(help="Anything that `find` reads.")],
    /,
    *,
    rate: Annotated[float | None, Parameter(help="Share of the labels to touch, 0 to 1.")] = None,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="Folder for labels.csv, truth.csv and noise.json.")],
    kind: Annotated[Literal["symmetric", "pair", "asymmetric", "instance"], Parameter(help="Kind of noise.")] = "symmetric",
    inclusive: Annotated[bool, Parameter(help="Symmetric noise may draw the own class again.", negative="")] = False,
    bernoulli: Annotated[bool, Parameter(help="Touch each label independently instead of an exact number.", negative="")] = False,
    transition: Annotated[Path | None, Parameter(help=".npy or .csv matrix (K, K) for asymmetric noise; rows sum to one.")] = None,
    seed: int = 0,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    id: str | None = None,
) -> int:
    """Write noisy labels and the labels before, by id. `find SOURCE --labels OUT/labels.csv` reads the noisy ones."""
    from labelsieve import pipeline
    from labelsieve.cli.find import read
    from labelsieve.cli.screen import progress_bar
    from labelsieve.data.noise import inject, write

    data, features = read(source, image=image, text=text, label=label, id=id), None
    if kind == "instance" and data.kind in ("image", "text"):
        with progress_bar() as progress:
            data, features = pipeline.features(data, out / "encoded", progress=progress)
    made = inject(data, kind, rate, inclusive=inclusive, exact=not bernoulli, transition=_matrix(transition), features=features, seed=seed)
    write(made, data, out)
    print(f"{out}: {made.spec.realised_rate:.2%} of {len(data)} labels are now wrong. Next:")
    print(f"  labelsieve find {source} --labels {out / 'labels.csv'} --out {out / 'run.sieve'}")
    print(f"  labelsieve evaluate {out / 'run.sieve'} --truth {out / 'truth.csv'}")
    return 0


def _matrix(path: Path | None) -> Any:
    if path is None:
        return None
    import numpy as np

    try:
        return np.load(path) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a matrix ({error}); save it with numpy.save or as CSV without a header.") from error
