"""labelsieve noise: artificial wrong labels for tests and benchmarks."""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from labelsieve.cli.options import SEEDS, Place, Split, a_share, folder, within


def noise(
    source: Annotated[str, Parameter(help="Any data that `find` reads.")],
    /,
    *,
    rate: Annotated[
        float | None, Parameter(help="Share of the labels to select for noise, 20% or 0.2.", converter=a_share)
    ] = None,
    out: Annotated[
        Place,
        Parameter(name=["--out", "-o"], help="Folder for labels.csv, truth.csv and noise.json.", converter=folder),
    ],
    kind: Annotated[
        Literal["symmetric", "pair", "asymmetric", "instance"], Parameter(help="Kind of noise.")
    ] = "symmetric",
    inclusive: Annotated[
        bool, Parameter(help="Symmetric noise may also draw the label's own class.", negative="")
    ] = False,
    bernoulli: Annotated[
        bool, Parameter(help="Select each label independently instead of an exact number of labels.", negative="")
    ] = False,
    transition: Annotated[
        Place | None, Parameter(help=".npy or .csv matrix (K, K) for asymmetric noise; rows sum to one.")
    ] = None,
    seed: Annotated[int, Parameter(help="Same seed, same noise.", converter=within(SEEDS))] = 0,
    image: Annotated[str | None, Parameter(help="Column of image paths.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts.")] = None,
    label: Annotated[str | None, Parameter(help="Column of labels.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids.")] = None,
    split: Split = None,
) -> int:
    """Write noisy labels and the original labels, by id. `find SOURCE --labels OUT/labels.csv` reads the noisy ones."""
    from labelsieve.cli.terminal import print_notes, progress_bar
    from labelsieve.places.paths import join
    from labelsieve.store.noise_folder import noise as make

    columns: dict[str, Any] = {"image": image, "text": text, "label": label, "id": id, "split": split}
    with progress_bar() as progress:
        made = make(
            source,
            rate=rate,
            out=out,
            kind=kind,
            inclusive=inclusive,
            bernoulli=bernoulli,
            transition=transition,
            seed=seed,
            **columns,
            progress=progress,
        )
    print_notes(made.notes)
    print(f"{out}: {made.spec.realised_rate:.2%} of {len(made.labels)} labels are now wrong. Next:")
    named = [word for name, value in columns.items() if value is not None for word in (f"--{name}", value)]
    run = join(str(out), "run.sieve")
    print(
        " ", shlex.join(["labelsieve", "find", source, *named, "--labels", join(str(out), "labels.csv"), "--out", run])
    )
    print(" ", shlex.join(["labelsieve", "evaluate", run, "--truth", join(str(out), "truth.csv")]))
    return 0
