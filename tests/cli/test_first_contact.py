"""The first use after installation: errors name the next step, and leave no files behind."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main


@pytest.fixture
def features(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    np.savez(tmp_path / "f.npz", features=rng.normal(size=(90, 8)) + 2 * np.eye(3, 8)[labels], labels=labels)
    return tmp_path


def refused(capsys, *arguments):
    assert main([os.fspath(part) for part in arguments]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


def test_a_run_folder_passed_as_data_suggests_review(features, capsys, monkeypatch):
    monkeypatch.chdir(features)
    assert main(["find", "f.npz", "--detectors", "consensus"]) == 0
    capsys.readouterr()
    for name in ("f.sieve", "f.sieve/", "./f.sieve", "f.sieve/findings.parquet"):
        err = refused(capsys, "find", name)
        assert "is a run of Labelsieve, not data; to review it: labelsieve review f.sieve" in err
    assert "labelsieve review f.sieve" in refused(capsys, "noise", "f.sieve", "--rate", "20%", "-o", "noisy")
    assert not (features / "noisy").exists()
    assert "Did you mean f.sieve?" in refused(capsys, "report", "f.npz")
    (features / "mine").mkdir()
    os.rename("f.sieve", "mine/my run.sieve")
    assert "labelsieve review 'mine/my run.sieve'" in refused(capsys, "find", "mine/my run.sieve")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--encoder", "use"],
        ["--side", "64"],
        ["--detectors", "quux"],
        ["--from-network", "resnet18"],
        ["--label", "x"],
        ["--labels", "nowhere.csv"],
    ],
)
def test_a_find_that_fails_leaves_no_folder(features, capsys, monkeypatch, arguments):
    monkeypatch.chdir(features)
    before = sorted(features.iterdir())
    refused(capsys, "find", "f.npz", *arguments)
    refused(capsys, "find", "f.npz", "--out", "new/deep/run", *arguments)
    (features / "empty").mkdir()
    refused(capsys, "find", "f.npz", "--out", "empty", *arguments)
    assert not any((features / "empty").iterdir())
    (features / "empty").rmdir()
    assert sorted(features.iterdir()) == before


def test_bad_data_leave_no_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("one.npz", features=np.eye(8), labels=np.zeros(8, int))
    for c in "ab":
        (tmp_path / "broken" / c).mkdir(parents=True)
        for i in range(4):
            (tmp_path / "broken" / c / f"{i}.png").write_bytes(b"no image")
    before = sorted(tmp_path.iterdir())
    refused(capsys, "find", "one.npz")
    refused(capsys, "find", "broken")  # found out while encoding, when a folder of features is there
    assert sorted(tmp_path.iterdir()) == before


def test_an_existing_run_stays_if_find_fails(features, capsys, monkeypatch):
    monkeypatch.chdir(features)
    assert main(["find", "f.npz", "--detectors", "consensus"]) == 0
    existing = {path: path.read_bytes() for path in (features / "f.sieve").rglob("*") if path.is_file()}
    capsys.readouterr()
    refused(capsys, "find", "f.npz", "--detectors", "quux")
    assert {path: path.read_bytes() for path in (features / "f.sieve").rglob("*") if path.is_file()} == existing


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_stopped_before_anything_was_saved_leaves_no_folder(features, monkeypatch, error):
    def stop(*_, **__):
        raise error

    monkeypatch.chdir(features)
    monkeypatch.delenv("LABELSIEVE_DEBUG", raising=False)
    monkeypatch.setattr("labelsieve.evidence.gather.of_panel", stop)
    assert main(["find", "f.npz"]) in (130, 70, 2)
    assert not (features / "f.sieve").exists()


def test_stopped_later_keeps_what_was_saved(features, monkeypatch):
    from labelsieve.core.files import write_array

    def stop(*_, folder, **__):
        write_array(folder / "half.npy", np.arange(3))
        raise KeyboardInterrupt

    monkeypatch.chdir(features)
    monkeypatch.setattr("labelsieve.evidence.gather.of_panel", stop)
    assert main(["find", "f.npz"]) == 130
    assert (features / "f.sieve" / "evidence" / "half.npy").exists()
    monkeypatch.undo()
    monkeypatch.chdir(features)
    assert main(["find", "f.npz", "--detectors", "consensus"]) == 0


@pytest.mark.slow
def test_ctrl_c_at_any_moment_leaves_nothing_or_can_be_resumed(features):
    """Ctrl-C at any moment: either no file is left, or the same command can be run again."""
    command = [sys.executable, "-m", "labelsieve", "find", "f.npz"]
    for wait in (0.3, 0.8, 1.2):
        process = subprocess.Popen(command, cwd=features, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode in (0, 130)
        if (features / "f.sieve").exists():
            assert {path.name for path in (features / "f.sieve").iterdir()} > {"run.json"}
    assert subprocess.run(command, cwd=features, stdout=subprocess.DEVNULL, check=False).returncode == 0


# Options that each kind of source does not use.
NO_USE = {
    "features": (
        ["f.npz"],
        [["--fast"], ["--side", "64"], ["--encoder", "lite0"], ["--encoder", "use"], ["--from-network", "small-cnn"]],
    ),
    "probs": (
        ["--probs", "p.npy", "--labels", "l.csv"],
        [["--fast"], ["--side", "64"], ["--encoder", "lite0"], ["--from-network", "small-cnn"]],
    ),
    "texts": (["t.csv", "--text", "body", "--label", "topic"], [["--fast"], ["--side", "64"], ["--encoder", "fast"]]),
    "images": (
        ["i.npz"],
        [["--encoder", "use"], ["--encoder", "none"], ["--fast", "--side", "64"], ["--fast", "--from-network", "x"]],
    ),
}
NO_USE["images"][1].append(["--from-network", "small-cnn", "--encoder", "lite0"])
COLUMNS = [["--image", "x"], ["--text", "x"], ["--label", "x"], ["--id", "x"], ["--group", "x"]]


@pytest.mark.parametrize("kind", list(NO_USE))
def test_options_without_effect_are_refused(features, capsys, monkeypatch, kind):
    monkeypatch.chdir(features)
    labels = np.arange(90) % 3
    np.save("p.npy", np.where(np.eye(3)[labels] > 0, 0.8, 0.1))
    (features / "l.csv").write_text("id,label\n" + "".join(f"{i},{c}\n" for i, c in enumerate(labels)))
    (features / "t.csv").write_text("body,topic\n" + "".join(f"word {i} {c},t{c}\n" for i, c in enumerate(labels)))
    np.savez("i.npz", images=np.random.default_rng(0).integers(0, 255, (90, 16, 16, 3), np.uint8), labels=labels)
    source, options = NO_USE[kind]
    for option in options + (COLUMNS if kind in ("features", "images") else []):
        err = refused(capsys, "find", *source, *option)
        assert "leave" in err or "There are" in err or "there are" in err or "or --encoder" in err, err
        assert not list(features.glob("*.sieve"))


def test_terms_of_another_plan_are_refused(features, capsys, monkeypatch):
    monkeypatch.chdir(features)
    assert main(["find", "f.npz", "--detectors", "consensus"]) == 0
    capsys.readouterr()
    for option in (["--aql", "1%"], ["--producer-risk", "5%"]):
        assert "belongs to --plan single or double" in refused(
            capsys, "accept", "f.sieve", "--max-error", "5%", *option
        )
    assert not (features / "f.sieve" / "samples").exists()


def test_help_lists_the_commands_in_groups_with_an_example_each(capsys, monkeypatch):
    from labelsieve.cli.app import COMMANDS

    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    places = [out.index(f"─ {group} ─") for group in COMMANDS]
    assert places == sorted(places)
    for group, commands in COMMANDS.items():
        assert next(iter(commands.values()))[1] in out, group
    for commands in COMMANDS.values():
        for name, (_, example) in commands.items():
            assert example.startswith(f"labelsieve {name}")
            assert main([name, "--help"]) == 0
            assert f"Example: {example}" in capsys.readouterr().out


def test_examples_in_the_help_use_existing_options(capsys):
    """Examples in the help parse: only their files are missing here."""
    from labelsieve.cli.app import COMMANDS

    for commands in COMMANDS.values():
        for name, (_, example) in commands.items():
            if name in ("demo", "completion"):
                continue
            assert main(example.split()[1:]) == 2
            err = capsys.readouterr().err
            assert "Unknown option" not in err and "requires" not in err and "too many" not in err, (example, err)


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(capsys, option):
    import labelsieve

    assert main([option]) == 0
    assert capsys.readouterr().out.strip() == labelsieve.__version__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fidn", "photos"], 'Did you mean "find"?'),
        (["find", "photos", "--enocder", "x"], "Did you mean --encoder?"),
        (["apply", "x.sieve", "--atuo", "90%"], "Did you mean --auto?"),
        (["find", "photos", "more"], "'more' is one argument too many"),
        (["find", "photos", "--quiet", "--verbose"], "--quiet and --verbose contradict each other"),
        (["find", "photos", "-q", "--log-level", "info"], "--quiet and --log-level contradict each other"),
        (["find", "photos", "--log-level", "loud"], 'Choose from: "debug", "info", "warning", "error"'),
    ],
)
def test_typing_errors_get_a_helpful_message(capsys, arguments, message):
    assert message in refused(capsys, *arguments)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(capsys, tmp_path, shell):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("find", "--encoder", "--quiet", "--max-error", "evaluate"):
        assert (word if shell != "fish" else word.lstrip("-")) in script
    (tmp_path / "script").write_text(script)
    if shutil.which(shell):
        assert subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, check=False).returncode == 0
    assert "tcsh" in refused(capsys, "completion", "tcsh")


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes(capsys, tmp_path):
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    ask = (
        f"source {tmp_path}/script; COMP_WORDS=(labelsieve find --enc); COMP_CWORD=2; _labelsieve; printf '%s\\n' "
        '"${COMPREPLY[@]}"'
    )
    assert subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout.split() == [
        "--encoder"
    ]


def pressed(shell: str, script: Path, line: str, folder: Path) -> str:
    """What an interactive shell shows after the line and a tab, in a terminal of its own."""
    import pty
    import select

    zsh = f"PS1=; fpath=({script.parent} $fpath); autoload -Uz compinit; compinit -u -d {folder.parent}/dump"
    start, program = {
        "bash": (f"source {script}", ["bash", "--norc", "--noprofile", "-i"]),
        "zsh": (zsh, ["zsh", "-f", "-i"]),
    }[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["TERM"] = {"bash": "dumb", "zsh": "xterm"}[shell]  # zsh completes only where it can draw
        os.execvp(shell, program)

    def until(text: bytes, seconds: float) -> str:
        shown, end = b"", time.monotonic() + seconds
        while text not in shown and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                shown += os.read(terminal, 65536)
        return shown.decode(errors="replace")

    os.write(terminal, f"{start}; echo rea''dy\n".encode())
    until(b"ready\r", 60)
    os.write(terminal, f"{line}\t".encode())
    shown = until(b"texts", 30)
    os.close(terminal)
    os.waitpid(pid, 0)
    return shown.replace("\\ ", " ")


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("line", ["labelsieve find pho", "labelsieve find x --labels pho"])
def test_file_names_are_completed(capsys, tmp_path, shell, line):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    (tmp_path / "data" / "photos and texts").mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "_labelsieve"
    assert main(["completion", shell]) == 0
    script.write_text(capsys.readouterr().out)
    if shell == "fish":
        ask = ["fish", "--no-config", "-c", f"source {script}; complete -C {line!r}"]
        shown = subprocess.run(ask, cwd=tmp_path / "data", capture_output=True, text=True, check=True).stdout
    else:
        shown = pressed(shell, script, line, tmp_path / "data")
    assert "photos and texts" in shown


def test_quiet_and_verbose(features, capsys, monkeypatch):
    monkeypatch.chdir(features)
    arguments = ["find", "f.npz", "--detectors", "consensus"]
    assert main(arguments) == 0
    usual = capsys.readouterr()
    assert main([*arguments, "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert main(["--verbose", *arguments]) == 0
    verbose = capsys.readouterr()
    assert usual.err == quiet.err == "" and "labelsieve.pipeline INFO: evidence:" in verbose.err
    assert "flagged" in quiet.out and "flagged" in usual.out and "flagged" in verbose.out
    assert main([*arguments, "--log-level", "info"]) == 0
    assert "labelsieve.pipeline INFO" in capsys.readouterr().err
    assert main(["find", "nowhere", "--quiet"]) == 2
    assert "nowhere" in capsys.readouterr().err  # errors are always told


def test_progress_honours_quiet(features, monkeypatch):
    import io

    from labelsieve.cli.terminal import log_to_stderr, progress_bar

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    drawn = {}
    for level in (logging.WARNING, logging.ERROR):
        monkeypatch.setattr("sys.stderr", Terminal())
        with log_to_stderr(level), progress_bar() as progress:
            progress("encode", 1, 2)
        drawn[level] = sys.stderr.getvalue()
    assert "encode" in drawn[logging.WARNING] and drawn[logging.ERROR] == ""


def test_quiet_hides_notes_on_the_data(features, capsys, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(features)
    (features / "t.csv").write_text("a,b,label\n" + "".join(f"{i},{i % 7},{i % 3}\n" for i in range(60)) + "x,1,0\n")
    assert main(["train", "t.csv", "--label", "label", "--epochs", "1", "-o", "m"]) == 0
    capsys.readouterr()
    assert main(["predict", "m", "t.csv"]) == 0
    assert "left out" in capsys.readouterr().err
    assert main(["predict", "m", "t.csv", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_python_sets_the_level_by_logging(features, caplog):
    import labelsieve as ls

    with caplog.at_level(logging.INFO, "labelsieve"):
        ls.find(str(features / "f.npz"), detectors=["consensus"])
    assert any(record.name == "labelsieve.pipeline" and "evidence" in record.getMessage() for record in caplog.records)
    caplog.clear()
    ls.find(str(features / "f.npz"), detectors=["consensus"])
    assert not caplog.records


def test_the_package_has_types_and_urls():
    import tomllib
    from importlib.resources import files

    assert files("labelsieve").joinpath("py.typed").is_file()
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert set(project["urls"]) >= {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
    assert all(address.startswith("https://") for address in project["urls"].values())


def test_a_missing_argument_is_named_with_an_example(features, capsys, monkeypatch):
    monkeypatch.chdir(features)
    err = refused(capsys, "report")
    assert "`report` needs RUN (a run folder that `find` wrote). For example: labelsieve report photos.sieve" in err
    assert "`diff` needs NEW" in refused(capsys, "diff", "a.sieve")
    assert "`check` needs --contract (a TOML file with the rules)" in refused(capsys, "check", "a.sieve")
    assert refused(capsys, "find", "--text") == "labelsieve: --text needs a value.\n"
    assert "--max-error needs a value; '-3%' begins with a dash" in refused(
        capsys, "accept", "a.sieve", "--max-error", "-3%"
    )
    assert "--label is given more than once" in refused(capsys, "find", "f.npz", "--label", "a", "--label", "b")
    assert "f.npz is not a command; to find its wrong labels: labelsieve find f.npz" in refused(capsys, "f.npz")
    assert 'Did you mean "find"?' in refused(capsys, "finf", "f.npz")
    assert sorted(path.name for path in features.iterdir()) == ["f.npz"]


def test_a_file_of_a_run_is_accepted_as_the_run(features, capsys, monkeypatch):
    monkeypatch.chdir(features)
    assert main(["find", "f.npz", "--detectors", "consensus"]) == 0
    capsys.readouterr()
    for name in ("run.json", "excluded.csv"):
        assert "is a run of Labelsieve, not data; to review it:" in refused(capsys, "find", f"f.sieve/{name}")
    assert "is not a whole number from 1" in refused(capsys, "accept", "f.sieve", "--max-error", "3%", "--size", "0")
    err = refused(capsys, "accept", "f.sieve", "--max-error", "3%", "--plan", "single", "--aql", "5%")
    assert "(--aql, 5 %) must be below the highest acceptable share (--max-error, 3 %)" in err
    assert not (features / "f.sieve" / "samples").exists()
    assert main(["report", "f.sieve", "-o", "r.html"]) == 0
    assert re.match(r"r\.html: [1-9]\d* kB, opens offline", capsys.readouterr().out)
    os.remove("f.sieve/excluded.csv")
    os.mkdir("f.sieve/excluded.csv")
    with pytest.raises(ls.UserError, match=r"excluded\.csv is damaged \(Is a directory\)"):
        ls.open_run("f.sieve")
    assert "excluded.csv is damaged" in refused(capsys, "report", "f.sieve")
