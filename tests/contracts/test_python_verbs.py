"""What every verb keeps: a command's options are its keywords, a long signature says why, and importing the package
stays light."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import labelsieve as ls
from labelsieve.cli.app import COMMANDS, app

SOURCE = Path(ls.__file__).parent
COMMAND = {name: function for commands in COMMANDS.values() for name, (function, _) in commands.items()}
VERBS = {  # name in Python -> command
    "accept": "accept",
    "apply": "apply",
    "check": "check",
    "compare": "compare",
    "diff": "diff",
    "encode_shards": "encode",
    "evaluate": "evaluate",
    "export": "export",
    "find": "find",
    "import_decisions": "import",
    "noise": "noise",
    "repair": "repair",
    "report": "report",
    "review": "review",
    "spectrum": "spectrum",
    "train": "train",
}
METHODS = {"predict": ls.Model.predict, "score": ls.Model.score}  # commands whose first argument is a model
ONLY_COMMAND = {
    "json": "how the result is printed",
    ("find", "fast"): "encoder='fast' in Python",
    ("encode_shards", "fast"): "encoder='fast' in Python",
    ("find", "classes"): "what the page shows: ls.review(classes=...)",
}
ONLY_PYTHON = {
    "progress": "the command draws a bar in a terminal",
    "block": "a command serves until it is interrupted",
    "logger": "an object, such as a run of Weights & Biases",
    "replicates": "precision of the intervals, for tests and papers",
    ("find", "record"): "what a training loop recorded, an object",
    ("evaluate", "seed"): "of the same resamples",
}


def parameters(function) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


PAIRS = [(name, getattr(ls, name), COMMAND[command]) for name, command in VERBS.items()]
PAIRS += [(name, method, COMMAND[name]) for name, method in METHODS.items()]


@pytest.mark.parametrize(("name", "verb", "command"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_a_verb_has_the_options_of_its_command_and_no_others(name, verb, command):
    model = {"model"} if name in METHODS else set()
    options = {option for option in parameters(command) if not {option, (name, option)} & ONLY_COMMAND.keys()}
    keywords = {key for key in parameters(verb) if not {key, (name, key)} & ONLY_PYTHON.keys()}
    if "columns" in keywords:  # are passed on to ls.load
        keywords = keywords - {"columns"} | (options & set(parameters(ls.load)) - {"source"})
    if "data" in keywords:  # a command names them, a function may have them in memory
        keywords = keywords - {"data"} | {"source"}
    assert options - model == keywords


@pytest.mark.parametrize(("name", "verb", "command"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_an_option_is_written_as_the_keyword(name, verb, command):
    written = {
        option
        for argument in app[command.__name__.strip("_")].assemble_argument_collection()
        for option in argument.names
    }
    for key, parameter in inspect.signature(command).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert f"--{key.strip('_').replace('_', '-')}" in written


def test_every_verb_of_the_product_is_there_and_no_module_hides_one():
    assert {*VERBS, "load", "open_run"} <= set(ls.__all__)
    below = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not below & set(ls.__all__)
    assert not any(inspect.ismodule(getattr(ls, name)) for name in ls.__all__)


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_says_what_it_takes_gives_and_refuses(name):
    verb = getattr(ls, name)
    text = inspect.getdoc(verb)
    assert "Args:" in text and "Raises:" in text and f">>> ls.{name}(" in text.replace("model = ", "")
    described = text.partition("Args:")[2]
    for key in parameters(verb):
        assert re.search(rf"^    [\w, ]*\b{key}\b[\w, ]*:", described, re.MULTILINE) or f"`{key}`" in described, key
    assert inspect.signature(verb).return_annotation not in (inspect.Signature.empty, "None", "int")


def public_functions():
    for path in sorted(SOURCE.rglob("*.py")):
        if path.parent.name == "cli":  # a command's parameters are its options
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
                yield path.relative_to(SOURCE).as_posix(), node


def test_a_function_with_more_than_ten_parameters_gives_the_reason():
    many = []
    for path, node in public_functions():
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        if len(set(names) - {"self", "cls"}) > 10:
            many.append(f"{path}: {node.name}")
            text = " ".join((ast.get_docstring(node) or "").split())
            assert re.search(r"[Mm]any parameters,? because [^.]{20,}\.", text), many[-1]
    assert "training/train.py: train" in many


COMMAND_FILES = sorted(COMMAND)


@pytest.mark.parametrize("command", COMMAND_FILES)
def test_a_command_file_parses_calls_and_prints(command):
    file = inspect.getsourcefile(COMMAND[command])
    assert file is not None and len(Path(file).read_text(encoding="utf-8").splitlines()) < 100
