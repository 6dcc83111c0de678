"""Somebody who has read ARCHITECTURE.md guesses where a thing is. The plan of the house matches the house."""

import re
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

import labelsieve as ls

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "labelsieve"

PLACES = {
    "the order of the steps of find": "pipeline.py",
    "the beta mixture": "stats/mixture.py",
    "the confident joint": "stats/confident_joint.py",
    "the k nearest neighbours": "stats/neighbours.py",
    "small-loss selection": "stats/small_loss.py",
    "Blurry loss": "losses/blurry.py",
    "ProMix, the training method": "methods/promix.py",
    "the O2U-Net detector": "detectors/o2u.py",
    "O2U-Net's nine-layer network": "networks/o2u_cnn.py",
    "LIP": "head_repair/lip.py",
    "the panel of linear heads": "evidence/panel.py",
    "the recorder of training dynamics": "engine/recorder.py",
    "a folder of images read as data": "data/folder.py",
    "IDX files of MNIST": "formats/idx.py",
    "label noise on purpose": "data/noise.py",
    "the journal in PostgreSQL": "store/postgres.py",
    "a run with its decisions": "store/open_run.py",
    "calibration of p(wrong)": "decide/calibrate.py",
    "the contract that check holds data against": "decide/contract.py",
    "the any-time interval of accept": "acceptance/interval.py",
    "the patch of corrected labels": "corrections/patch.py",
    "Label Studio, out and in": "exchange/label_studio.py",
    "the server of the review page": "page/server.py",
    "the scikit-learn estimator that finds label errors": "adapters/label_error_detector.py",
    "the command accept": "cli/accept.py",
    "two runs compared, ls.diff": "acceptance/diff_runs.py",
    "findings measured against true labels, ls.evaluate": "acceptance/evaluate_run.py",
    "the most suspicious examples as a table": "core/most_suspicious.py",
}


@pytest.mark.parametrize("thing", PLACES)
def test_each_named_thing_is_in_the_expected_file(thing):
    assert (SOURCE / PLACES[thing]).is_file()


def rooms() -> set[str]:
    return {path.parent.name for path in SOURCE.glob("*/__init__.py")}


def test_the_architecture_page_names_exactly_the_existing_rooms():
    plan = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\|[ \d]*\| `(\w+)/` \|", plan, re.MULTILINE))
    assert named == rooms()
    files = re.findall(rf"`((?:{'|'.join(sorted(rooms()))})/\w+\.py)`", plan)
    assert files and all((SOURCE / file).is_file() for file in files)


def test_the_only_loose_modules_are_the_door_and_the_pipeline():
    assert {path.name for path in SOURCE.glob("*.py")} == {"__init__.py", "__main__.py", "pipeline.py"}


def test_no_module_carries_the_name_of_a_public_function():
    modules = {path.stem for path in SOURCE.glob("*.py")} | rooms()
    assert not modules & set(ls.__all__)


def test_file_names_repeat_only_where_the_field_or_the_command_requires_it():
    """A paper's name is that of its loss, its detector and its method; a command is called as what it calls."""
    seen: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        room = path.parent.name
        if path.name != "__init__.py" and room not in ("cli", "static"):
            seen.setdefault(path.stem, []).append(room)
    twice = {name: there for name, there in seen.items() if len(there) > 1}
    assert all(set(there) <= {"losses", "detectors", "methods"} for there in twice.values()), twice


def test_every_module_can_be_imported():
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        if name.endswith("__main__"):
            continue
        with suppress(ls.UserError):  # a missing package, in a sentence
            import_module(name)


def test_percentages_suggestions_and_logistic_curves_are_made_in_one_place():
    """What several rooms print or compute is one function of a room below them."""
    once = {
        "get_close_matches(": {"core/errors.py"},
        "1 / (1 + np.exp(-": {"stats/logistic_fit.py"},
        "def percent(": {"core/shares.py"},
        "def _percent(": set(),
        "[\\\\`*_{}": {"core/printable.py"},
        "z * z / (4 * n * n)": {"decide/outlook.py"},
    }
    for text, places in once.items():
        found = {
            p.relative_to(SOURCE).as_posix() for p in SOURCE.rglob("*.py") if text in p.read_text(encoding="utf-8")
        }
        assert found == places, text
