"""Each script in examples/ runs, and what it prints is true of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What a script prints, by its name; it runs in a process and a folder of its own."""
    said: dict[str, str] = {}

    def run(name: str) -> str:
        pytest.importorskip("sklearn")
        pytest.importorskip("torch")
        if name not in said:
            paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
            done = subprocess.run(
                [sys.executable, "-W", "error::UserWarning", ROOT / "examples" / f"{name}.py"],
                cwd=tmp_path_factory.mktemp(name),
                env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert not list(tmp_path_factory.getbasetemp().glob(f"{name}*/*")), "it leaves files behind"
            said[name] = done.stdout
        return said[name]

    return run


def numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in\n{text}"
    return [float(number.replace(",", "")) for number in found.groups()]


@pytest.mark.slow
def test_a_corrected_data_set_trains_a_better_classifier(printed):
    text = printed("find_correct_retrain")
    size, wrong = numbers(r"([\d,]+) digits to learn from; (\d+) of the labels are wrong", text)
    expected, flagged = numbers(r"expects (\d+) wrong labels and flags (\d+)", text)
    looked, corrected = numbers(r"looked at (\d+) labels and corrected (\d+)", text)
    before, after = numbers(r"([\d.]+) % before, ([\d.]+) % after", text)
    (best,) = numbers(r"it would be ([\d.]+) %", text)
    assert wrong == pytest.approx(0.2 * size, abs=1)
    assert expected == pytest.approx(wrong, rel=0.15)
    assert looked == flagged < 0.3 * size
    assert 0.9 * wrong < corrected <= wrong
    assert after > before + 5
    assert after == pytest.approx(best, abs=1)


@pytest.mark.slow
def test_the_record_of_a_loop_ranks_wrong_labels_first(printed):
    text = printed("own_training_loop")
    size, wrong = numbers(r"([\d,]+) digits, (\d+) of them with a wrong label", text)
    first, found = numbers(r"Of the (\d+) most suspicious labels, (\d+) are wrong", text)
    assert found > 0.9 * first > 5 * first * wrong / size  # five times as many as in a random hundred
    (all_found,) = numbers(rf"Of the {wrong:.0f} most suspicious labels, (\d+) are wrong", text)
    assert all_found > 0.85 * wrong


@pytest.mark.slow
def test_votes_tell_how_right_the_annotators_are(printed):
    text = printed("three_annotators")
    for name in ("ana", "ben", "cleo"):
        said, true = numbers(rf"{name} +is right in (\d+) % of the votes, says Labelsieve; truly (\d+) %", text)
        assert said == pytest.approx(true, abs=4)
    (agree,) = numbers(r"agree on (\d+) % of the digits", text)
    (consensus,) = numbers(r"consensus is right on ([\d.]+) %", text)
    many, asked = numbers(r"Asked for (\d+) more votes where they help most: ([\d.]+) %", text)
    (random,) = numbers(r"Asked for as many at random instead: ([\d.]+) %", text)
    assert consensus > agree + 20
    assert many > 0
    assert asked >= max(consensus, random)


@pytest.mark.slow
def test_a_good_batch_is_accepted_and_a_bad_one_rejected(printed):
    text = printed("accept_a_batch")
    for vendor, verdict in (("careful", "accept"), ("careless", "reject")):
        looked, size = numbers(rf"The {vendor} vendor: {verdict} after (\d+) of ([\d,]+) labels", text)
        about = text[text.index(f"The {vendor} vendor") :]
        low, high, true = numbers(r"Between ([\d.]+) and ([\d.]+) % are wrong, .* truly ([\d.]+) %", about)
        assert looked < size / 4
        assert low <= true <= high
        assert high <= 3 if verdict == "accept" else low > 3


@pytest.mark.slow
def test_a_robust_method_beats_standard_training_under_noise(printed):
    text = printed("methods_under_noise")
    accuracy = {name: float(value) for name, value in re.findall(r"^  ([\w ()-]+?) +([\d.]+) % ±", text, re.MULTILINE)}
    clean = accuracy.pop("no wrong labels")
    best = max(accuracy, key=lambda name: accuracy[name])
    assert len(accuracy) == 5
    assert accuracy["standard"] + 1 < accuracy[best] < clean
    assert f"{best} is better than standard training" in text


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_page_shows_what_they_print(script, printed):
    """Word for word; numbers may differ a little on another type of machine."""
    page = (ROOT / "docs" / "examples.md").read_text()
    shown = re.search(rf"/{script.name}\).*?```text\n(.*?)```", page, re.DOTALL)
    assert shown
    for ours, theirs in zip(shown[1].splitlines(), printed(script.stem).splitlines(), strict=True):
        number = r"\d[\d,.]*\d|\d"
        assert re.sub(number, "1", ours) == re.sub(number, "1", theirs)
        for one, other in zip(re.findall(number, ours), re.findall(number, theirs), strict=True):
            assert float(one.replace(",", "")) == pytest.approx(float(other.replace(",", "")), rel=0.03, abs=2), theirs


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_example_is_short_explained_tested_and_linked(script):
    lines = script.read_text().split("\n")
    assert 30 <= len(lines) <= 90
    assert lines[0].startswith('"""')
    assert f'printed("{script.stem}")' in Path(__file__).read_text()
    assert f"(../examples/{script.name})" in (ROOT / "docs" / "examples.md").read_text()
