"""`hf:NAME_OR_DIR`: any image or text model that transformers' AutoModel loads. A folder is read offline; a name may be downloaded.

Images: `get_image_features` where there is one (CLIP and its kin), else the pooled output, else the mean over tokens or the feature map.
Texts: `get_text_features` likewise, else the mean over the tokens, as the sentence-transformers family is trained; unit length.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.encode.encoder import require

_PACKAGES = "transformers torch"
TOKENS = 512


class _Model:
    """The loaded model, where it runs, and what identifies it."""

    def __init__(self, name: str):
        transformers = require("transformers", f"hf:{name}", _PACKAGES)
        self.torch = require("torch", f"hf:{name}", _PACKAGES)
        self.local = Path(name).is_dir()
        try:
            self.model = transformers.AutoModel.from_pretrained(name, local_files_only=self.local)
        except (OSError, ValueError) as error:
            raise UserError(f"transformers cannot load {name!r}: {str(error).strip().splitlines()[0]}") from error
        self.device = "cuda" if self.torch.cuda.is_available() else "cpu"
        self.model.eval().to(self.device)
        self.identity = _weights_hash(self.model)


class TransformersImages:
    """Images through a transformers model."""

    kind = "image"

    def __init__(self, name: str, side: int | None = None):
        loaded = _Model(name)
        self._torch, self._model, self._device = loaded.torch, loaded.model, loaded.device
        config = _preprocessor(name, loaded.local)
        size = config.get("crop_size") or config.get("size") or {}
        trained = size if isinstance(size, int) else size.get("height") or size.get("shortest_edge")
        self.side = side or trained or _image_size(self._model.config) or 224
        self._mean = self._torch.tensor(config.get("image_mean") or [0.5] * 3, device=self._device)
        self._std = self._torch.tensor(config.get("image_std") or [0.5] * 3, device=self._device)
        self.batch = 128 if self._device == "cuda" else 16
        self.name = f"hf-{loaded.identity}-{self.side}"
        try:
            self.width = self(np.zeros((1, self.side, self.side, 3), np.uint8)).shape[1]
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"hf:{name} does not encode images of {self.side} px: {str(error).strip().splitlines()[0]}") from error

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        with self._torch.inference_mode():
            pixels = self._torch.from_numpy(batch).to(self._device)
            pixels = ((pixels / 255 - self._mean) / self._std).permute(0, 3, 1, 2)
            if hasattr(self._model, "get_image_features"):
                states = self._model.get_image_features(pixel_values=pixels)
            else:
                states = self._model(pixel_values=pixels)
            states = _pooled(states)
            return (states.mean((2, 3)) if states.ndim == 4 else states.mean(1) if states.ndim == 3 else states).float().cpu().numpy()


class TransformersTexts:
    """Texts through a transformers model."""

    kind, side = "text", 0

    def __init__(self, name: str):
        loaded = _Model(name)
        self._torch, self._model, self._device = loaded.torch, loaded.model, loaded.device
        transformers = require("transformers", f"hf:{name}", _PACKAGES)
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=loaded.local)
        except (OSError, ValueError) as error:
            raise UserError(f"transformers finds no tokenizer for {name!r}: {str(error).strip().splitlines()[0]}") from error
        self._limit = min(self._tokenizer.model_max_length, TOKENS)
        self.batch = 128 if self._device == "cuda" else 32
        self.name = f"hf-{loaded.identity}-{self._limit}"
        self.width = self(["a"]).shape[1]

    def __call__(self, batch: Sequence[str]) -> np.ndarray:
        with self._torch.inference_mode():
            tokens = self._tokenizer(list(batch), padding=True, truncation=True, max_length=self._limit, return_tensors="pt")
            tokens = tokens.to(self._device)
            if hasattr(self._model, "get_text_features"):
                states = _pooled(self._model.get_text_features(**tokens))
                return self._torch.nn.functional.normalize(states.float(), dim=1).cpu().numpy()
            states = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][:, :, None]
            mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
            return self._torch.nn.functional.normalize(mean.float(), dim=1).cpu().numpy()


def _image_size(config: Any) -> int | None:
    size = getattr(getattr(config, "vision_config", config), "image_size", None)
    return size if isinstance(size, int) else None


def _pooled(output: Any) -> Any:
    """The pooled output of a model where it has one, else its last feature map or sequence; a tensor is itself."""
    if not hasattr(output, "last_hidden_state"):
        return output
    pooled = getattr(output, "pooler_output", None)
    return output.last_hidden_state if pooled is None else pooled.flatten(1)


def _preprocessor(name: str, local: bool) -> dict[str, Any]:
    from transformers.utils.hub import cached_file

    found = cached_file(name, "preprocessor_config.json", local_files_only=local, _raise_exceptions_for_missing_entries=False)
    return json.loads(Path(found).read_text(encoding="utf-8")) if found else {}


def _weights_hash(model: Any) -> str:
    """A name does not identify weights (a folder is overwritten, a hub name moves on), so the weights themselves are hashed."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().float().numpy().data)
    return digest.hexdigest()[:12]
