"""`spectrum`: the heads of two saved models side by side, and the page with the figures."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from labelsieve.core.arguments import require_path, require_text, require_whole, written_to
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, require_own
from labelsieve.head_repair.head_file import SavedModel, read_model
from labelsieve.head_repair.spectrum import Spectrum, compare
from labelsieve.places.at_addresses import at_addresses, read_from, written_to_address
from labelsieve.reports.spectrum_page import BEGINS, page


@at_addresses(clean=read_from, noisy=read_from, out=written_to_address)
def spectrum(
    clean: str | PathLike[str],
    noisy: str | PathLike[str],
    *,
    out: str | PathLike[str] | None = None,
    k: int | None = None,
    head: str | None = None,
) -> Spectrum:
    """Compare the heads of two saved models: singular values, effective rank, overlap, principal angles.

    Args:
        clean: the reference: a model folder, .npz, .safetensors or a PyTorch state dict.
        noisy: the model to compare with it, over the same features and classes.
        out: an HTML file for the figures.
        k: number of leading directions to compare; default: the effective rank of the first.
        head: name of the head's layer in both models.

    Raises:
        UserError: a file cannot be read, or the heads cannot be compared.

    >>> ls.spectrum("clean", "noisy", out="heads.html")  # doctest: +SKIP
    Spectrum(10 components, effective rank 8.9 and 7.2, largest of 9 angles 12.3 degrees)
    """
    paths = require_path(clean, "The first model"), require_path(noisy, "The second model")
    target = None if out is None else _html(out)
    k = None if k is None else require_whole(k, "k, the number of directions,")
    models = read_model(paths[0]), read_model(paths[1])
    result = compare(*_heads(*models, None if head is None else require_text(head, "head")), k=k)
    if target is not None:
        with written_to(target), replacing(target) as partial:
            partial.write_text(page(result, *(path.name or str(path) for path in paths)), encoding="utf-8")
    return result


def _html(out: Any) -> Path:
    """The path of the page; refused where it would overwrite another file of the user."""
    target = require_path(out, "out, the HTML file,")
    if target.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"{target} is not an HTML file; name an .html file for the figures with <out>.", out="")
    require_own(target, BEGINS, "spectrum")
    return target


def _heads(clean: SavedModel, noisy: SavedModel, head: str | None) -> list[Any]:
    """The weight matrices (K, d) of both."""
    models = (clean, noisy)
    classes = [model.manifest.get("classes") for model in models]
    if all(classes) and classes[0] != classes[1]:
        raise UserError(
            f"{clean.path} and {noisy.path} have different classes, or a different order of classes; "
            "their heads cannot be compared."
        )
    names = [model.heads((head,) if head else ()) for model in models]
    if len(names[0]) > 1 or len(names[1]) > 1:
        raise UserError(f"Name one head with <head>: {', '.join(sorted({*names[0], *names[1]}))}.", head="")
    return [model.arrays[name] for model, (name,) in zip(models, names, strict=True)]
