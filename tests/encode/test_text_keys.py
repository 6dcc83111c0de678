"""Duplicate keys of texts."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.encode.text_keys import BYTES, content, ngrams, sketch
from labelsieve.stats.same_text import GRAMS

STORY = "The ferry left the harbour at six in the morning, and nobody on the pier saw that its lights were out. " * 3


def test_content_ignores_white_space_and_case_alone():
    keys = content(
        ["Hello  World", " hello\tworld\n", "HELLO WORLD", "hello worlds", "helloworld", "STRASSE", "straße"]
    )
    assert keys.dtype == np.uint64
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys.tolist())) == 4
    assert keys[5] == keys[6]


def test_signatures_share_numbers_as_texts_share_5_grams():
    near = STORY.replace("six", "seven")
    keys = sketch(
        [
            STORY,
            near,
            STORY.upper() + " !",
            "Quarterly earnings rose by four percent, well above what analysts had expected. " * 3,
        ]
    )
    assert keys.shape == (4, BYTES)
    numbers = keys.view(np.uint32)
    assert np.array_equal(numbers[0], numbers[2])
    assert not np.array_equal(numbers[0, :2], numbers[1, :2])
    shared = (numbers[0, 2 : 2 + GRAMS] == numbers[1:, 2 : 2 + GRAMS]).mean(1)
    assert 0.5 < shared[0] < 1 and shared[2] < 0.1


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=8))
def test_a_text_has_the_same_keys_alone_and_in_a_batch(texts):
    assert np.array_equal(sketch(texts), np.array([sketch([text])[0] for text in texts], np.uint8).reshape(-1, BYTES))
    assert np.array_equal(content(texts), np.array([content([text])[0] for text in texts], np.uint64))


@settings(deadline=None)
@given(st.lists(st.text(alphabet="abc中ß😀", max_size=12), min_size=1, max_size=6), st.integers(1, 5))
def test_ngrams_are_those_of_each_text(texts, n):
    grams, starts = ngrams(texts, n)
    seen = {}
    for i, text in enumerate(texts):
        expected = [text[j : j + n] for j in range(len(text) - n + 1)] or [text.ljust(n, "\0")]
        found = grams[starts[i] : starts[i + 1]].tolist()
        assert len(found) == len(expected)
        for gram, value in zip(expected, found, strict=True):
            assert seen.setdefault(gram, value) == value
    assert len(set(seen.values())) == len(seen)


def test_lone_surrogates_do_not_stop_it():
    assert len(np.unique(sketch(["\ud800 broken", "broken"]), axis=0)) == 2
    assert len(set(content(["\ud800 broken", "broken"]).tolist())) == 2
