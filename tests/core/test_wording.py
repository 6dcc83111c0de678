"""A message names an argument as the door does through which the call came: `labels='FILE'`, or `--labels FILE`."""

import ast
import pickle
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.wording import Wording, shell_command

SOURCE = Path(ls.__file__).parent
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+(?![\w-]*:\S)|(?<=[ (])-[a-z](?=[ .,;)])")


def _docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


@pytest.mark.parametrize("room", sorted({path.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.py")} - {"cli"}))
def test_no_text_of_the_library_holds_an_option_of_the_command_line(room):
    files = [SOURCE / room] if room.endswith(".py") else (SOURCE / room).rglob("*.py")
    for path in files:
        tree = ast.parse(path.read_text())
        passed_over = set(map(id, _docstrings(tree)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over:
                if "var(--" in node.value or "{" in node.value and ";" in node.value:  # CSS has such variables
                    continue
                if FLAG.fullmatch(node.value):  # an argument of another program, not a message
                    continue
                assert not FLAG.search(node.value), f"{path}:{node.lineno}: {node.value!r}"


def test_the_command_line_rewrites_no_message():
    assert "import re" not in (SOURCE / "cli" / "__init__.py").read_text()


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("f.npz", features=rng.normal(size=(60, 4)).astype(np.float32), labels=np.arange(60) % 3)
    np.savez("bare.npz", features=rng.normal(size=(60, 4)).astype(np.float32))
    Path("two.csv").write_text("body,text,label\na,b,x\nc,d,y\n")
    Path("three.csv").write_text("text,label,target\na,x,x\nc,y,y\n")
    Path("plain.csv").write_text("one,two\na,x\nc,y\n")
    Path("pictures").mkdir()
    Path("pictures/a.png").write_bytes(b"")
    Path("taken").mkdir()
    Path("taken/mine.txt").write_text("mine")
    return tmp_path


MISTAKES = {
    "a file for the run": (
        partial(ls.find, "f.npz", out="f.npz"),
        "find f.npz --out f.npz",
        "f.npz is a file; choose a folder for the results with {}.",
        ("out=", "--out"),
    ),
    "a folder of others": (
        partial(ls.find, "f.npz", out="taken"),
        "find f.npz --out taken",
        "choose another folder with {}, or empty this one.",
        ("out=", "--out"),
    ),
    "no labels": (
        partial(ls.find, "bare.npz"),
        "find bare.npz",
        "pass them with {}.",
        ("labels='FILE'", "--labels FILE"),
    ),
    "no class folders": (
        partial(ls.load, "pictures"),
        "find pictures",
        "put the images of each class into a separate folder, or pass {}.",
        ("labels='FILE'", "--labels FILE"),
    ),
    "two labels": (partial(ls.load, "three.csv"), "find three.csv", "name one with {}.", ("label=", "--label")),
    "two texts": (
        partial(ls.load, "two.csv"),
        "find two.csv",
        "name one with {}.",
        ("text= or image=", "--text or --image"),
    ),
    "text and image": (
        partial(ls.load, "two.csv", text="body", image="text"),
        "find two.csv --text body --image text",
        "Both {} are named",
        ("text='body' and image='text'", "--text body and --image text"),
    ),
    "no label column": (
        partial(ls.load, "plain.csv"),
        "find plain.csv",
        "is clearly the label; name one with {}.",
        ("label=", "--label"),
    ),
    "an empty name of the labels": (
        partial(ls.load, "f.npz", labels=" "),
        None,
        "give a file, or leave {} out",
        ("labels=", "--labels"),
    ),
    "a column of arrays": (
        partial(ls.find, "f.npz", label="y"),
        "find f.npz --label y",
        "has no columns, so {} cannot be used",
        ("label='y'", "--label y"),
    ),
    "a network on features": (
        partial(ls.find, "f.npz", from_network="small-cnn"),
        "find f.npz --from-network small-cnn",
        "leave out {}.",
        ("from_network=", "--from-network"),
    ),
    "drop without findings": (
        partial(ls.train, "f.npz", drop_flagged=True),
        "train f.npz --drop-flagged",
        "{}.",
        ("drop_flagged=True leaves out the examples that `find` flagged; pass its run folder as run='RUN'",
         "--drop-flagged leaves out the examples that `find` flagged; pass its run folder as --run RUN"),
    ),
    "too large a batch": (
        partial(ls.train, "f.npz", batch=999),
        "train f.npz --batch 999 -o m",
        "give {} or less",
        ("batch=60", "--batch 60"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_python_and_the_command_line_name_arguments_in_their_own_way(place, capsys, mistake):
    call, command, sentence, (python, shell) = MISTAKES[mistake]
    if "train" in (command or ""):
        pytest.importorskip("torch")
    with pytest.raises(ls.UserError) as caught:
        call()
    assert sentence.format(python) in str(caught.value)
    assert sentence.format(shell) in caught.value.for_command_line()
    if command:
        assert main(command.split()) == 2
        assert f"labelsieve: {caught.value.for_command_line()}" == capsys.readouterr().err.strip()


def test_text_that_is_not_an_argument_is_unchanged():
    error = ls.UserError("x<y: give <labels> or <from_>, not label=a.csv or <text>.", labels="my file", from_="csv")
    assert str(error) == "x<y: give labels='my file' or from_='csv', not label=a.csv or <text>."
    assert error.for_command_line() == "x<y: give --labels 'my file' or --from csv, not label=a.csv or <text>."
    assert error.in_words() == "x<y: give labels my file or from csv, not label=a.csv or <text>."
    assert error.followed_by("More.").for_command_line().endswith("<text>. More.")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.for_command_line()) == (str(error), error.for_command_line())


def test_a_switch_has_no_value_and_a_run_instead_of_data_is_refused_with_the_right_call(place):
    assert ls.UserError("<dry_run>", dry_run=True).for_command_line() == "--dry-run"
    assert str(ls.UserError("<dry_run>", dry_run=True)) == "dry_run=True"
    assert ls.UserError("<a>", a=Wording("here", "there")).for_command_line() == "there"
    assert shell_command("export", "my run", to="csv", o="f.csv") == "labelsieve export 'my run' --to csv -o f.csv"
    ls.find("f.npz", out="r.sieve", detectors=["consensus"])
    with pytest.raises(ls.UserError) as caught:
        ls.load("r.sieve")
    assert str(caught.value).endswith("to review it: ls.review('r.sieve')")
    assert caught.value.for_command_line().endswith("to review it: labelsieve review r.sieve")
