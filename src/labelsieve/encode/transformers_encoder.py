"""`hf:NAME_OR_DIR`: any image or text model that transformers' AutoModel loads; a folder is read offline.

Weights stored in half precision are read as float32. Pixel values are transformed as in the model's own image processor
(`image_processor.py`). Image features: `get_image_features` if the model has it (CLIP and similar models), else the
pooled output if its weights were saved (classifiers are saved without), else the mean over tokens or the feature map.
Masked autoencoders (ViT-MAE) see the whole picture: nothing is masked. Text features: `get_text_features` if the model
has it, else the mean over the tokens, as in sentence-transformers; unit length.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError, first_line
from labelsieve.core.image_sides import USUAL, refusal
from labelsieve.encode.encoder import require
from labelsieve.encode.image_processor import BICUBIC, FILES, ImageProcessor, assumed, from_config, read
from labelsieve.encode.long_texts import MOST, averaged, cut, tokenized

_VOLATILE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")
_UNUSED = ("pooler", "mask_token")  # classifiers are saved without these; they are then not used here
TOKENS = 512


class _Model:
    """The loaded model, its device, and a hash that identifies it."""

    def __init__(self, name: str):
        transformers = require("transformers", f"hf:{name}", "hf")
        self.torch = require("torch", f"hf:{name}", "hf")
        self.local = Path(name).is_dir()
        try:
            model, loading = transformers.AutoModel.from_pretrained(
                name, local_files_only=self.local, output_loading_info=True
            )
        except (
            OSError,
            ValueError,
            KeyError,
            RuntimeError,
            ImportError,
        ) as error:  # some models need an additional package
            raise UserError(f"transformers cannot load {name!r}: {first_line(error)}.") from error
        absent = sorted(loading["missing_keys"])
        if others := [key for key in absent if not any(part in key for part in _UNUSED)]:
            raise UserError(
                f"The weights of hf:{name} lack {len(others)} parts of {type(model).__name__} (for example "
                f"{others[0]}), which transformers would fill with random values; name a complete model."
            )
        self.pooler = not any("pooler" in key for key in absent)
        self.device = "cuda" if self.torch.cuda.is_available() else "cpu"
        self.model = model.eval().float().to(self.device)
        if getattr(self.model.config, "mask_ratio", None):
            self.model.config.mask_ratio = 0.0
        self.identity = _hash(self.model, absent)


class TransformersImages:
    """Images through a transformers model.

    Attributes:
        notes: what was assumed about the pictures, and steps of the model's image processor that are not applied.
        resample: how pictures are resized to `side`, a number of `PIL.Image.Resampling`.
    """

    kind = "image"

    def __init__(self, name: str, side: int | None = None):
        loaded = _Model(name)
        self._torch, self._model, self._device = loaded.torch, loaded.model, loaded.device
        self._about, self._pooler = f"hf:{name}", loaded.pooler
        processor = _image_processor(name, loaded)
        self._scale = self._torch.tensor(processor.scale, device=self._device)
        self._shift = self._torch.tensor(processor.shift, device=self._device)
        self._flip, self.resample, self.notes = processor.flip, processor.resample, processor.notes
        _require_colours(self._about, self._model.config)
        own = processor.side or _image_size(self._model.config) or 224
        self.side = side or own
        self.batch = 128 if self._device == "cuda" else 16
        self.width = self._try_out(own)
        self.name = f"hf-{loaded.identity}-{processor.key()}-{self.side}"

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        with self._torch.inference_mode():
            pixels = self._torch.from_numpy(np.array(batch)).to(self._device) * self._scale + self._shift
            pixels = pixels.flip(3) if self._flip else pixels
            pixels = pixels.permute(0, 3, 1, 2).contiguous()
            if hasattr(self._model, "get_image_features"):
                states = self._model.get_image_features(pixel_values=pixels)
            else:
                states = self._model(pixel_values=pixels, **self._unmasked(pixels))
            states = _pooled(states, self._pooler)
            return (
                (states.mean((2, 3)) if states.ndim == 4 else states.mean(1) if states.ndim == 3 else states)
                .float()
                .cpu()
                .numpy()
            )

    def _unmasked(self, pixels: Any) -> dict[str, Any]:
        """For masked autoencoders, which shuffle their patches randomly: the same order each time."""
        size, patch = getattr(self._model.config, "image_size", None), getattr(self._model.config, "patch_size", None)
        if (
            "noise" not in inspect.signature(self._model.forward).parameters
            or not isinstance(patch, int)
            or size is None
        ):
            return {}
        patches = (pixels.shape[2] // patch) * (pixels.shape[3] // patch)
        return {"noise": self._torch.arange(patches, device=pixels.device).float().expand(len(pixels), -1)}

    def _try_out(self, own: int) -> int:
        """The width of the features.

        Raises:
            UserError: the model does not accept such images, or gives different features each time.
        """
        error = self._refuses(self.side)
        if error is None:
            picture = np.random.default_rng(0).integers(0, 256, (1, self.side, self.side, 3), np.uint8)
            first, second = self(picture), self(picture)
            if first.ndim != 2:
                raise UserError(
                    f"{self._about} gives an output of shape {first.shape} for one image, which cannot be used as "
                    "features."
                )
            if not np.allclose(first, second, rtol=1e-3, atol=1e-3 * (np.abs(first).max() + 1e-12), equal_nan=True):
                raise UserError(
                    f"{self._about} gives different features for the same picture each time (it uses random numbers)."
                )
            return first.shape[1]
        if any(self._refuses(side) is None for side in (own, *USUAL)):
            raise refusal(self._about, self.side, error, self._refuses, own)
        kind = type(self._model).__name__
        raise UserError(
            f"{self._about} does not encode images: {kind} cannot be called with pictures alone ({first_line(error)})."
        )

    def _refuses(self, side: int) -> Exception | None:
        try:
            self(np.zeros((1, side, side, 3), np.uint8))
        except Exception as error:  # models check their input in different ways, or not at all
            return error
        return None


class TransformersTexts:
    """Texts through a transformers model."""

    kind, side = "text", 0

    def __init__(self, name: str):
        loaded = _Model(name)
        self._torch, self._model, self._device = loaded.torch, loaded.model, loaded.device
        transformers = require("transformers", f"hf:{name}", "hf")
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=loaded.local)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise UserError(f"transformers finds no tokenizer for {name!r}: {first_line(error)}") from error
        if hasattr(self._tokenizer, "deprecation_warnings"):
            self._tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = (
                True  # parts are padded after tokenization
            )
        self._limit = min(self._tokenizer.model_max_length, TOKENS)
        self.batch = 128 if self._device == "cuda" else 32
        self.name = f"hf-{loaded.identity}-{_tokenizer_hash(self._tokenizer)}-{self._limit}x{MOST}"
        self.size = f"{self._limit} tokens"
        try:
            self.width = self(["a"]).shape[1]
        except Exception as error:  # as for images
            kind = type(self._model).__name__
            raise UserError(
                f"hf:{name} does not encode texts: {kind} cannot be called with tokens alone ({first_line(error)})."
            ) from error

    def __call__(self, batch: Sequence[str]) -> np.ndarray:
        return self.read(batch)[0]

    def read(self, batch: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Features (b, d) and how many parts each text has (b,)."""
        flat, parts = tokenized(batch, self._limit, self._tokenize)
        some = [
            self._states([part for _, part in flat[at : at + self.batch]]) for at in range(0, len(flat), self.batch)
        ]
        weight = np.array([len(part["input_ids"]) for _, part in flat])
        return averaged(np.concatenate(some), np.array([i for i, _ in flat]), len(batch), weight), parts

    def _tokenize(self, texts: list[str]) -> list[list[dict[str, list[int]]]]:
        if (
            not self._tokenizer.is_fast
        ):  # such tokenizers make no parts themselves: texts are cut by characters, since there are never more tokens
            texts, owner = _short(texts, self._limit - self._tokenizer.num_special_tokens_to_add())
            made = self._tokenizer(texts, truncation=True, max_length=self._limit)
        else:
            made = self._tokenizer(texts, truncation=True, max_length=self._limit, return_overflowing_tokens=True)
            owner = made.pop("overflow_to_sample_mapping")
        out: list[list[dict[str, list[int]]]] = [[] for _ in range(max(owner) + 1)]
        for i, text in enumerate(owner):
            out[text].append({name: column[i] for name, column in made.items()})
        return out

    def _states(self, parts: list[dict[str, list[int]]]) -> np.ndarray:
        """Features of tokenized parts."""
        with self._torch.inference_mode():
            tokens = self._tokenizer.pad(parts, padding=True, return_tensors="pt").to(self._device)
            if hasattr(self._model, "get_text_features"):
                states = _pooled(self._model.get_text_features(**tokens))
                return self._torch.nn.functional.normalize(states.float(), dim=1).cpu().numpy()
            states = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][:, :, None]
            mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
            return self._torch.nn.functional.normalize(mean.float(), dim=1).cpu().numpy()


def _short(texts: list[str], size: int) -> tuple[list[str], list[int]]:
    """Pieces of at most `size` characters, and the position of the text of each."""
    pieces = [(piece, i) for i, text in enumerate(texts) for piece in cut(text, size)[0]]
    return [piece for piece, _ in pieces], [i for _, i in pieces]


def _image_processor(name: str, loaded: _Model) -> ImageProcessor:
    """The image processor of the model; else, with a note, the usual one for models of its kind."""
    import transformers

    about = f"hf:{name}"
    config = read([_file(name, file, loaded.local) for file in FILES], about)
    kind = _usual_processor(loaded.model.config)
    if config is not None:
        own = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
        own = own.replace("FeatureExtractor", "ImageProcessor").removesuffix("Fast")
        defaults = _defaults(getattr(transformers, f"{own}Pil", None) if own else kind)
        return from_config({**defaults, **config}, about)
    if (own := _of_timm(loaded.model.config)) is not None:
        return from_config(own, about)
    mean, std = ((0.5,) * 3, (0.5,) * 3)
    defaults = _defaults(kind)
    if defaults.get("image_mean") is not None and defaults.get("image_std") is not None:
        mean, std = defaults["image_mean"], defaults["image_std"]
    return assumed(about, mean, std)


def _of_timm(config: Any) -> dict[str, Any] | None:
    """The image settings of a timm model in transformers, from `config.json`; None for other models."""
    settings = getattr(config, "pretrained_cfg", None)
    if not isinstance(settings, Mapping) or not settings.get("mean") or not settings.get("std"):
        return None
    resample = {"nearest": 0, "lanczos": 1, "bilinear": 2}.get(str(settings.get("interpolation")), BICUBIC)
    size = settings.get("input_size") or (3, None, None)
    about = {"image_mean": list(settings["mean"]), "image_std": list(settings["std"]), "resample": resample}
    return about | ({"size": {"height": size[1], "width": size[2]}} if size[1] else {})


def _usual_processor(config: Any) -> Any:
    """The class of image processors for models of this kind, or None."""
    import transformers

    try:
        from transformers.models.auto import image_processing_auto as auto

        names: Any = auto.IMAGE_PROCESSOR_MAPPING_NAMES  # pyright: ignore[reportPrivateImportUsage]
    except (ImportError, AttributeError):
        return None
    names_of_kind = names.get(getattr(config, "model_type", ""))
    if not isinstance(names_of_kind, Mapping):  # before transformers 5: a pair of names
        names_of_kind = {"pil": names_of_kind[0] if isinstance(names_of_kind, tuple) else names_of_kind}
    return getattr(transformers, str(names_of_kind.get("pil")), None)


def _defaults(kind: Any) -> dict[str, Any]:
    """The default settings of a class of image processors."""
    try:
        usual = {} if kind is None else {name: value for name, value in kind().to_dict().items() if value is not None}
        # An image processor skips a step that its defaults do not mention.
        return usual and {
            "do_resize": False,
            "do_rescale": False,
            "do_normalize": False,
            "do_center_crop": False,
            **usual,
        }
    except Exception:  # a class that needs settings, or a missing package
        return {}


def _require_colours(about: str, config: Any) -> None:
    vision = getattr(config, "vision_config", config)
    channels = getattr(vision, "num_channels", 3)
    if isinstance(channels, int) and channels != 3:
        raise UserError(
            f"{about} takes images of {channels} channel{'s' if channels > 1 else ''}; Labelsieve gives three (RGB)."
        )


def _image_size(config: Any) -> int | None:
    size = getattr(getattr(config, "vision_config", config), "image_size", None)
    if isinstance(size, list | tuple) and len(set(size)) == 1:
        size = size[0]
    return size if isinstance(size, int) else None


def _pooled(output: Any, pooler: bool = True) -> Any:
    """The pooled output of a model if that was trained, else its last feature map or sequence; a tensor is
    unchanged."""
    if not hasattr(output, "last_hidden_state"):
        return output
    pooled = getattr(output, "pooler_output", None) if pooler else None
    return output.last_hidden_state if pooled is None else pooled.flatten(1)


def _file(name: str, file: str, local: bool) -> Path | None:
    from transformers.utils.hub import cached_file

    cached = cached_file(name, file, local_files_only=local, _raise_exceptions_for_missing_entries=False)
    return Path(cached) if cached else None


def _hash(model: Any, absent: Sequence[str]) -> str:
    """A hash of weights and settings. A name does not identify a model: a folder is overwritten, a hub name gets new
    weights. `absent` are names of weights that were not loaded."""
    digest = hashlib.sha256(json.dumps(_settled(model.config.to_dict()), sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        if name in absent:
            continue
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().float().numpy().data)
    return digest.hexdigest()[:12]


def _settled(value: Any) -> Any:
    """The settings without those that do not change the model."""
    if isinstance(value, dict):
        return {str(key): _settled(part) for key, part in value.items() if key not in _VOLATILE}
    return [_settled(part) for part in value] if isinstance(value, list | tuple) else value


def _tokenizer_hash(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    text = (
        backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True) + repr(tokenizer)
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
