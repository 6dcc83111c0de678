"""`timm:NAME`: any pretrained timm image model without its classifier, with its own resolution and normalisation."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError, first_line, meant
from labelsieve.core.image_sides import refusal
from labelsieve.encode.encoder import require


class TimmImages:
    """Images through a timm model; the weights may be downloaded."""

    kind = "image"

    def __init__(self, name: str, side: int | None = None):
        timm = require("timm", f"timm:{name}", "timm")
        self._torch = require("torch", f"timm:{name}", "timm")
        try:
            model = timm.create_model(name, pretrained=True, num_classes=0)
        except Exception as error:  # models raise anything if a name, an option or the network is at fault
            hint = "" if timm.is_model(name) else meant(name, timm.list_models())
            raise UserError(f"timm cannot load {name!r}: {first_line(error)}.{hint}") from error
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        self._model = model.eval().to(self._device)
        config = timm.data.resolve_model_data_config(model)
        own = config["input_size"][1]
        self.side = side or own
        self._mean = self._torch.tensor(config["mean"], device=self._device)
        self._std = self._torch.tensor(config["std"], device=self._device)
        self.batch = 128 if self._device == "cuda" else 16
        kind = f"{model.pretrained_cfg.get('architecture')}.{model.pretrained_cfg.get('tag')}"
        self.name = f"timm-{timm.__version__}-{kind}-{_weights_hash(model)}-{self.side}"
        if error := self._refuses(self.side):
            raise refusal(f"timm:{name}", self.side, error, self._refuses, own) from error
        self.width = self(np.zeros((1, self.side, self.side, 3), np.uint8)).shape[1]

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        with self._torch.inference_mode():
            pixels = self._torch.from_numpy(np.array(batch)).to(self._device)
            states = self._model(((pixels / 255 - self._mean) / self._std).permute(0, 3, 1, 2).contiguous())
            return (
                (states.mean((2, 3)) if states.ndim == 4 else states.mean(1) if states.ndim == 3 else states)
                .float()
                .cpu()
                .numpy()
            )

    def _refuses(self, side: int) -> Exception | None:
        try:
            self(np.zeros((1, side, side, 3), np.uint8))
        except Exception as error:
            return error
        return None


def _weights_hash(model: Any) -> str:
    """A hash of the weights: a name does not identify them, as new ones may be published under it."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().float().numpy().data)
    return digest.hexdigest()[:12]
