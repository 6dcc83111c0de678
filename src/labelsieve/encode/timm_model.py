"""`timm:NAME`: any pretrained image model of timm without its classifier, at the resolution and normalisation it was trained with."""

from __future__ import annotations

import numpy as np

from labelsieve.core.errors import UserError, meant
from labelsieve.encode.encoder import require


class TimmImages:
    """Images through a timm model; the weights may be downloaded."""

    kind = "image"

    def __init__(self, name: str, side: int | None = None):
        timm = require("timm", f"timm:{name}", "timm torchvision")
        self._torch = require("torch", f"timm:{name}", "timm torchvision")
        try:
            model = timm.create_model(name, pretrained=True, num_classes=0)
        except (RuntimeError, OSError, ValueError) as error:
            hint = "" if timm.is_model(name) else meant(name, timm.list_models())
            raise UserError(f"timm cannot load {name!r}: {str(error).strip().splitlines()[0].rstrip('.')}.{hint}") from error
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        self._model = model.eval().to(self._device)
        config = timm.data.resolve_model_data_config(model)
        self.side = side or config["input_size"][1]
        self._mean = self._torch.tensor(config["mean"], device=self._device)
        self._std = self._torch.tensor(config["std"], device=self._device)
        self.batch = 128 if self._device == "cuda" else 16
        self.name = f"timm-{timm.__version__}-{model.pretrained_cfg.get('architecture')}.{model.pretrained_cfg.get('tag')}-{self.side}"
        self.width = self(np.zeros((1, self.side, self.side, 3), np.uint8)).shape[1]

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        with self._torch.inference_mode():
            pixels = self._torch.from_numpy(batch).to(self._device)
            return self._model(((pixels / 255 - self._mean) / self._std).permute(0, 3, 1, 2)).float().cpu().numpy()
