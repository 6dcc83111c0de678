"""Encoders that run in ONNX Runtime: the built-in EfficientNet-Lite and any model in a file (`onnx:FILE`).

The input format is read from the graph: layout (NCHW or NHWC), number type, side. A uint8 input gets the pixels as they
are. A float input gets pixels transformed by the image processor next to the file (`image_processor.py`), or scaled to
0..1 and normalised with the mean and deviation of ImageNet, with a note. A feature map (n, c, h, w) or token sequence
(n, t, c) is averaged. Text models need `tokenizer.json` next to the file. Files next to the model may also be one
folder up, where some exporters put them.

Features are cached by the content of the graph and of every file of weights that it names (`model.onnx.data`).
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError, first_line
from labelsieve.encode import efficientnet_lite
from labelsieve.encode.encoder import require, threads
from labelsieve.encode.image_processor import FILES, IMAGENET, ImageProcessor, assumed, from_config, read
from labelsieve.encode.long_texts import MOST, averaged, tokenized

TOKENS = 256  # longest text if the tokenizer names no limit, as in the MiniLM family
TOGETHER = 8  # texts of like length in one call; each is padded to the longest of them
_IMAGE_OUTPUTS = ("image_embeds", "pooler_output")
# Outputs for texts, preferred first. `pooler_output` of the BERT family is not among them: it was trained to predict
# the next sentence.
_TEXT_OUTPUTS = ("sentence_embedding", "text_embeds", "last_hidden_state", "token_embeddings")
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Lite:
    """EfficientNet-Lite0, Lite2 or both; arguments as in `efficientnet_lite.build`. The name holds the precision."""

    kind, batch = "image", 16  # 32 take 4 % more time of the processor: their maps do not fit its cache
    notes: tuple[str, ...] = ()

    def __init__(
        self, name: str, networks: Sequence[str], side: int, *, int8: bool = False, pooled: Sequence[int] = ()
    ):
        model = efficientnet_lite.build(networks, int8=int8, pooled=pooled)
        self.option, self.side = name, side
        self.name = f"{name}-{side}-{'int8' if int8 else 'float32'}-{hashlib.sha256(model).hexdigest()[:12]}"
        self._session = session(model, name)
        self.width = self._session.get_outputs()[0].shape[1]

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return self._session.run(None, {"images": batch})[0]


class OnnxImages:
    """Images through the model in a file."""

    kind, batch = "image", 32

    def __init__(self, path: Path, side: int | None = None):
        identity = _model_hash(_existing(path))
        self._session = session(path, f"onnx:{path}")
        self._input = _only_input(self._session, path)
        shape = self._input.shape
        self._channels_first = _channels_first(shape, path)
        fixed = [length for length in shape[2:] if isinstance(length, int)] if self._channels_first else shape[1:3]
        fixed = next((length for length in fixed if isinstance(length, int)), None)
        if fixed and side and fixed != side:
            raise UserError(f"{path} takes images of {fixed} px only, not {side}.")
        raw = self._input.type == "tensor(uint8)"
        self._processor = _processor(path, raw)
        self.resample, self.notes = self._processor.resample, self._processor.notes
        self.side = fixed or side or self._processor.side or 224
        self._rows = shape[0] if isinstance(shape[0], int) else None
        self._output = _choose_output(self._session, _IMAGE_OUTPUTS)
        self.name = f"onnx-{identity}-{f'raw{self.resample}' if raw else self._processor.key()}-{self.side}"
        try:
            self.width = self(np.zeros((1, self.side, self.side, 3), np.uint8)).shape[1]
        except Exception as error:  # the errors of ONNX Runtime share no base class
            raise UserError(
                f"{path} does not encode images of {self.side} px ({first_line(error)}); try another <side>.", side=""
            ) from error

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        if self._input.type != "tensor(uint8)":
            batch = (batch * self._processor.scale + self._processor.shift).astype(_FLOATS[self._input.type])
        if self._processor.flip:
            batch = batch[..., ::-1]
        if self._channels_first:
            batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        parts = [
            self._session.run([self._output], {self._input.name: rows})[0][:count]
            for rows, count in _chunks(batch, self._rows)
        ]
        return _pool_images(np.concatenate(parts), self._channels_first)


class OnnxTexts:
    """Texts through the model in a file: tokenize, mean over the tokens, unit length."""

    kind, side, batch = "text", 0, 64

    def __init__(self, path: Path):
        name = f"onnx:{path}"
        identity = _model_hash(_existing(path))
        self._session = session(path, name, "text")
        self._inputs = [item.name for item in self._session.get_inputs()]
        if "input_ids" not in self._inputs:
            raise UserError(
                f"{path} is not a text model: it has no input called input_ids (its inputs: {', '.join(self._inputs)})."
            )
        self._tokenizer, tokenizer_hash = _tokenizer(path, name)
        self._pad = _padding(self._tokenizer)
        self._limit = self._tokenizer.truncation["max_length"]
        self.size = f"{self._limit} tokens"
        self._output = _choose_output(self._session, _TEXT_OUTPUTS)
        self.name = f"onnx-{identity}-{self._output}-{tokenizer_hash}x{MOST}"
        try:
            self.width = self(["a"]).shape[1]
        except Exception as error:  # the errors of ONNX Runtime share no base class
            raise UserError(f"{path} does not encode texts ({first_line(error)}).") from error

    def __call__(self, batch: Sequence[str]) -> np.ndarray:
        return self.read(batch)[0]

    def read(self, batch: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Features (b, d) and how many parts each text has (b,)."""
        flat, parts = tokenized(batch, self._limit, self._tokenize)
        weight = np.array([len(part.ids) for _, part in flat])
        order = np.argsort(weight, kind="stable")
        some = [
            self._states([flat[at][1] for at in order[start : start + TOGETHER]])
            for start in range(0, len(flat), TOGETHER)
        ]
        states = np.concatenate(some)[np.argsort(order)]
        return averaged(states, np.array([i for i, _ in flat]), len(batch), weight), parts

    def _tokenize(self, texts: list[str]) -> list[list[Any]]:
        return [[encoding, *encoding.overflowing] for encoding in self._tokenizer.encode_batch(texts)]

    def _states(self, tokens: list[Any]) -> np.ndarray:
        """Features of tokenized parts."""
        longest = max(len(token.ids) for token in tokens)
        for token in tokens:
            token.pad(longest, **self._pad)
        ids = np.array([token.ids for token in tokens], np.int64)
        mask = np.array([token.attention_mask for token in tokens], np.int64)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = self._session.run([self._output], {name: feeds[name] for name in self._inputs if name in feeds})[
            0
        ].astype(np.float32)
        if states.ndim == 3:
            states = (states * mask[:, :, None]).sum(1) / np.maximum(mask.sum(1, keepdims=True), 1)
        return (states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def session(model: bytes | Path, encoder: str, extra: str = "images") -> Any:
    """An ONNX Runtime session on the CPU.

    Raises:
        UserError: ONNX Runtime is missing or cannot load the model.
    """
    ort = require("onnxruntime", encoder, extra)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = 3
    # Idle workers would otherwise spin and take the processor from the threads that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the errors of ONNX Runtime share no base class
        raise UserError(f"ONNX Runtime cannot load {encoder}: {first_line(error)}.") from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"There is no file {path}; write onnx:FILE with the path of an ONNX model.")
    return path


def _only_input(model: Any, path: Path) -> Any:
    inputs = model.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        shapes = ", ".join(f"{item.name} {item.shape}" for item in inputs)
        raise UserError(f"{path} is not an image model: it must have one input of four dimensions, but has {shapes}.")
    if inputs[0].type not in ("tensor(uint8)", *_FLOATS):
        raise UserError(f"{path} takes {inputs[0].type}; images go in as uint8, float16 or float32.")
    return inputs[0]


def _channels_first(shape: Sequence[Any], path: Path) -> bool:
    if shape[1] == 3 or shape[3] == 3:
        return shape[1] == 3
    raise UserError(
        f"{path} takes an input of shape {list(shape)}; expected three channels at the second or last position."
    )


def _processor(path: Path, raw: bool) -> ImageProcessor:
    """The processor in the files that exporters write next to a model, else ImageNet's. `raw`: the graph takes
    bytes."""
    config = read([_beside(path, name) for name in FILES], f"onnx:{path}")
    if config is not None:
        return from_config(config, f"onnx:{path}")
    processor = assumed(f"onnx:{path}", *IMAGENET)
    return replace(processor, notes=()) if raw else processor


def _tokenizer(path: Path, encoder: str) -> tuple[Any, str]:
    file = _beside(path, "tokenizer.json")
    if file is None:
        raise UserError(f"The text model {path} needs its tokenizer: put tokenizer.json next to it.")
    tokenizers = require("tokenizers", encoder, "text")
    tokenizer = tokenizers.Tokenizer.from_file(str(file))
    limit = min((tokenizer.truncation or {}).get("max_length", TOKENS), 512)
    tokenizer.enable_truncation(limit)
    return tokenizer, f"{_file_hash(file)}-{limit}"


def _padding(tokenizer: Any) -> dict[str, Any]:
    """How the tokenizer pads, and that it leaves the padding to its caller from now on."""
    own = tokenizer.padding or {}
    pad = next((token for token in ("[PAD]", "<pad>") if tokenizer.token_to_id(token) is not None), None)
    tokenizer.no_padding()
    return {
        "pad_id": own.get("pad_id", tokenizer.token_to_id(pad) if pad else 0),
        "pad_token": own.get("pad_token", pad or "[PAD]"),
    }


def _beside(path: Path, name: str) -> Path | None:
    return next((place / name for place in (path.parent, path.parent.parent) if (place / name).is_file()), None)


def _choose_output(model: Any, preferred: Sequence[str]) -> str:
    names = [item.name for item in model.get_outputs()]
    sequences = [item.name for item in model.get_outputs() if len(item.shape or ()) == 3]
    return next(
        (name for name in preferred if name in names),
        (sequences if preferred is _TEXT_OUTPUTS and sequences else names)[0],
    )


def _chunks(batch: np.ndarray, rows: int | None) -> Iterator[tuple[np.ndarray, int]]:
    """The batch in pieces for a graph of fixed batch size; the last is padded with its first row."""
    if rows is None:
        yield batch, len(batch)
        return
    for start in range(0, len(batch), rows):
        piece = batch[start : start + rows]
        yield np.concatenate([piece, np.repeat(piece[:1], rows - len(piece), axis=0)]), len(piece)


def _pool_images(states: np.ndarray, channels_first: bool) -> np.ndarray:
    states = states.astype(np.float32)
    if states.ndim == 4:
        return states.mean((2, 3) if channels_first else (1, 2))
    return states.mean(1) if states.ndim == 3 else states.reshape(len(states), -1)


def _file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _model_hash(path: Path) -> str:
    """A hash of the graph and of the weight files that it names."""
    digest = hashlib.sha256(_file_hash(path).encode())
    for file in _external_files(path):
        digest.update(f" {_file_hash(file)}".encode())
    return digest.hexdigest()[:12]


def _external_files(path: Path) -> list[Path]:
    """The weight files that the graph names, in order.

    Raises:
        UserError: one lies outside the folder of the model, or is missing.
    """
    if path.stat().st_size == 0:
        return []
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b"\x0a\x08location") < 0:  # the stored form of every reference to such a file
            return []
    onnx = require("onnx", f"onnx:{path}", "images")
    folder, files = os.path.abspath(path.parent), []
    for name in sorted(_locations(onnx.load(str(path), load_external_data=False))):
        file = Path(os.path.normpath(os.path.join(folder, name)))
        if not file.is_relative_to(folder):
            raise UserError(
                f"{path} names weights outside its own folder ({name}); export the model again, into one folder."
            )
        if not file.is_file():
            raise UserError(f"{path} names the file of weights {name}, which is not next to it; copy it there.")
        files.append(file)
    return files


def _locations(part: Any) -> set[str]:
    """The locations of external data anywhere in an ONNX message."""
    if part.DESCRIPTOR.name == "TensorProto":
        return {entry.value for entry in part.external_data if entry.key == "location"}
    locations = set()
    for field, value in part.ListFields():
        if field.message_type is None:
            continue
        # A message, or a sequence of messages.
        for inner in [value] if hasattr(value, "ListFields") else value:
            locations |= _locations(inner)
    return locations
