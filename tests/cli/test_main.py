"""Every command when it is interrupted or when an error occurs."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from labelsieve.cli import main


@pytest.fixture
def features(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "f.npz", features=rng.normal(size=(300, 8)), labels=np.arange(300) % 3)
    return tmp_path


def started(*arguments, cwd):
    command = [sys.executable, "-m", "labelsieve", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_interruption_says_how_to_continue(features):
    process = started("find", "f.npz", cwd=features)
    while process.poll() is None and not (features / "f.sieve").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    if process.returncode != 0:  # it may have been done just then
        assert (process.returncode, out) == (130, "")
        assert err == "labelsieve: interrupted; run the same command again to continue.\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes break differently")
def test_a_closed_pipe_is_not_an_error(features):
    assert started("find", "f.npz", cwd=features).wait() == 0
    process = started("find", "f.npz", cwd=features)
    process.stdout.close()
    assert (process.wait(), process.stderr.read()) == (0, "")


FIND = ["find", "f.npz", "--detectors", "knn_vote"]


@pytest.mark.skipif(os.name == "nt", reason="pipes break differently")
@pytest.mark.parametrize(
    ("door", "command"),
    [
        ("from labelsieve.cli import run; run()", [*FIND, "--json"]),
        ("from labelsieve.cli import main; sys.exit(main())", ["--version"]),
        ("from labelsieve.cli import main; sys.exit(main())", ["noise", "--help"]),
    ],
)
def test_a_closed_pipe_is_not_an_error_in_any_entry_point(features, door, command):
    read, write = os.pipe()
    os.close(read)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}  # as users have it
    script = [sys.executable, "-c", f"import sys; {door}", *command]
    done = subprocess.run(
        script, cwd=features, env=buffered, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    assert command[0] != "find" or (features / "f.sieve" / "run.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="no shell of that kind")
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_closed_streams_are_not_an_error(features, closed):
    for command, code in ((FIND, 0), (["find", "nothing.npz"], 2)):
        line = " ".join([sys.executable, "-m", "labelsieve", *command, closed])
        done = subprocess.run(["bash", "-c", line], cwd=features, capture_output=True, text=True, check=False)
        assert done.returncode == code and (code or not done.stderr)
    assert (features / "f.sieve" / "run.json").exists()


def test_a_bug_gives_one_sentence_and_a_trace_only_on_request(monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("wheels came off\nat full speed")

    monkeypatch.setattr("labelsieve.data.load", broken)
    monkeypatch.delenv("LABELSIEVE_DEBUG", raising=False)
    assert main(["find", "f.npz"]) == 70
    err = capsys.readouterr().err
    assert "RuntimeError: wheels came off)" in err and "report it" in err and err.count("\n") == 1
    monkeypatch.setenv("LABELSIEVE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["find", "f.npz"])


@pytest.mark.parametrize(
    ("error", "code", "message"), [(KeyboardInterrupt, 130, "interrupted"), (MemoryError, 2, "out of memory")]
)
def test_exit_codes(monkeypatch, capsys, error, code, message):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr("labelsieve.data.load", stop)
    assert main(["find", "f.npz"]) == code
    assert message in capsys.readouterr().err


def test_version(capsys):
    import labelsieve

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == labelsieve.__version__


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_output_that_cannot_be_written(features, more):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "labelsieve", "find", "f.npz", *more]
        done = subprocess.run(command, cwd=features, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (
        done.returncode == 2 and done.stderr == "labelsieve: the output cannot be written: No space left on device.\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="pipes break differently")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_into_a_closed_pipe(tmp_path, option):
    process = started(option, cwd=tmp_path)
    process.stdout.close()
    assert (process.wait(), process.stderr.read()) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
@pytest.mark.parametrize("module", ["cyclopts", "numpy", "labelsieve.data", "labelsieve.pipeline"])
def test_interrupted_while_importing(features, module):
    code = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
class Stop:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stop())
from labelsieve.cli import main
raise SystemExit(main(["find", "f.npz"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=features, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "labelsieve: interrupted; run the same command again to continue.\n"


def test_errors_of_the_machine_are_not_reported_as_bugs(monkeypatch, capsys):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "/vault/x")

    monkeypatch.setattr("labelsieve.data.load", refuse)
    assert main(["find", "f.npz"]) == 2
    assert "/vault/x cannot be read or written: Permission denied." in capsys.readouterr().err


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize(
    ("before", "option"),
    [
        (["find", "t.csv", "--label"], "--label"),
        (["find", "t.csv", "--id"], "--id"),
        (["train", "t.csv", "--text"], "--text"),
        (["review", "t.sieve", "--name"], "--name"),
        (["export", "t.sieve", "--to"], "--to"),
        (["find", "t.csv", "-o"], "-o"),
    ],
)
def test_an_empty_value_of_an_option_is_refused_by_every_command(before, option, value, capsys):
    assert main([*before, value]) == 2
    assert f"The value of {option} is empty" in capsys.readouterr().err
    if option.startswith("--"):
        assert main([*before[:-1], f"{option}={value}"]) == 2
        assert f"The value of {option} is empty" in capsys.readouterr().err


def test_an_empty_argument_is_refused(capsys):
    for command in ("find", "review", "apply", "train"):
        assert main([command, ""]) == 2
        assert "One of the arguments is empty" in capsys.readouterr().err


def test_a_value_may_end_in_an_equals_sign(features, capsys):
    assert main(["find", str(features / "f.npz"), "--detectors=x="]) == 2
    assert "empty" not in capsys.readouterr().err
