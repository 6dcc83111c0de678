"""The head of a saved model: a model folder, an .npz with W and b, .safetensors, or the state dict in a PyTorch file.

PyTorch files are read with weights_only=True: arrays and plain containers, nothing that could run. Pickle and joblib
files are refused. The head is the layer that the caller names, or the one in the manifest of the model folder, or the
last matrix with one row per class.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing
from labelsieve.engine import model_file

TORCH = {".pt", ".pth", ".ckpt", ".bin"}
_NESTED = ("state_dict", "model_state_dict", "model", "net")  # keys under which checkpoints hold the state dict


@dataclass(frozen=True, eq=False)
class SavedModel:
    """Arrays by name in their order, and the manifest, {} if the format has none."""

    path: Path
    arrays: dict[str, np.ndarray]
    manifest: dict[str, Any]

    def heads(self, names: tuple[str, ...] = (), n_classes: int | None = None) -> tuple[str, ...]:
        """The names of the heads' weight matrices (K, d): `names`, those in the manifest, or the most likely matrix."""
        names = names or tuple(self.manifest.get("heads") or filter(None, [self.manifest.get("head")]))
        if names:
            return tuple(self._matrix(name) for name in names)
        n_classes = n_classes or len(self.manifest.get("classes") or ()) or None
        fits = [
            n for n, a in self.arrays.items() if a.ndim == 2 and a.dtype.kind == "f" and n_classes in (None, len(a))
        ]
        if not fits:
            rows = f" with {n_classes} rows" if n_classes else ""
            raise UserError(
                f"{self.path} holds no matrix{rows} that could be the head; its matrices: {self._matrices()}."
            )
        if len(fits) > 1 and self.path.suffix.lower() not in TORCH:  # only a state dict keeps the order of the layers
            raise UserError(
                f"{self.path} holds several matrices that could be the head; choose one with <head>: "
                f"{', '.join(fits)}.",
                head="",
            )
        return (fits[-1],)

    def bias(self, head: str) -> str | None:
        """The name of the bias (K,) that belongs to a head, if there is one."""
        for weight, bias in (("weight", "bias"), ("W", "b"), ("coef_", "intercept_")):
            name = head[: -len(weight)] + bias
            if head.endswith(weight) and name in self.arrays and self.arrays[name].shape == self.arrays[head].shape[:1]:
                return name
        return None

    def _matrix(self, name: str) -> str:
        for full in (name, f"{name}.weight"):
            if full in self.arrays and self.arrays[full].ndim == 2:
                return full
        raise UserError(f"{self.path} holds no matrix {name!r}; its matrices: {self._matrices()}.")

    def _matrices(self) -> str:
        return ", ".join(f"{n} {a.shape}" for n, a in self.arrays.items() if a.ndim == 2) or "none"


def read_model(path: Path) -> SavedModel:
    """Read a saved model.

    Raises:
        UserError: the file is damaged, has an unknown format, or has a format that could run code when it is read.
    """
    path = Path(path)
    if path.is_dir():
        return SavedModel(path, *model_file.load(path))
    if not path.exists():
        raise UserError(f"{path} does not exist; pass a model folder, .npz, .safetensors, .pt, .pth or .ckpt.")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return SavedModel(path, read_npz(path), {})
    if suffix == ".safetensors":
        return SavedModel(path, model_file.read_safetensors(path)[0], {})
    if suffix in TORCH:
        return SavedModel(path, {name: _numbers(t) for name, t in _state(_load_torch(path), path).items()}, {})
    if suffix in (".pkl", ".pickle", ".joblib"):
        raise UserError(
            f"{path} is a pickle, which may run code when it is read; save np.savez('head.npz', W=coef_, "
            "b=intercept_) instead."
        )
    raise UserError(
        f"{path} is not a supported model; supported are model folders, .npz, .safetensors, .pt, .pth and .ckpt."
    )


def write_model(out: Path, source: SavedModel, changed: dict[str, np.ndarray], manifest: dict[str, Any]) -> None:
    """Write the model with some arrays changed: as .npz or a PyTorch file by the suffix of `out`, else as a model
    folder."""
    out = Path(out)
    taken = out.is_file() or (out.is_dir() and any(out.iterdir()))
    if taken and not (out.is_dir() and (out / model_file.WEIGHTS).is_file() and "repair" in model_file.load(out)[1]):
        raise UserError(
            f"{out} already exists and is not a model that `repair` wrote; choose another path with <out>.", out=""
        )
    arrays, suffix = {**source.arrays, **changed}, out.suffix.lower()
    if suffix == ".npz":
        with replacing(out) as partial, open(partial, "wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
    elif suffix in TORCH:
        import torch

        whole = (
            _load_torch(source.path)
            if source.path.suffix.lower() in TORCH
            else {n: torch.from_numpy(a) for n, a in arrays.items()}
        )
        state = _state(whole, source.path)
        for name, array in changed.items():
            state[name] = torch.from_numpy(array).to(state[name].dtype)
        with replacing(out) as partial:
            torch.save(whole, partial)
    else:
        model_file.save(out, arrays, manifest)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, without unpickling."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; pass an .npz file.") from None
    except (ValueError, EOFError, KeyError, OSError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} cannot be read as an .npz file of plain arrays: {str(error).rstrip('.') or 'it is cut short'}."
        ) from None


def _load_torch(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise UserError(
            f"{path} is a PyTorch file, which needs PyTorch: pip install 'labelsieve[train]', or save W and b as .npz."
        ) from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # for a damaged file torch may raise any error
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise UserError(
                f"{path} holds Python objects, which may run code; save model.state_dict() instead."
            ) from None
        raise UserError(f"{path} cannot be read as a PyTorch file; it is cut short or not a PyTorch file.") from None


def _state(loaded: Any, path: Path) -> dict[str, Any]:
    """The state dict inside the loaded object; the same object, so that a change to it changes the whole."""
    for candidate in (loaded, *(loaded.get(key) for key in _NESTED if isinstance(loaded, dict))):
        if isinstance(candidate, dict) and candidate and all(hasattr(value, "detach") for value in candidate.values()):
            return candidate
    raise UserError(
        f"{path} holds no state dict (names and tensors), neither at its top level nor under {', '.join(_NESTED)}."
    )


def _numbers(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype.is_floating_point and tensor.dtype.itemsize < 4 else tensor).numpy()
