"""Work in several processes: every item once, whoever dies; nothing is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import labelsieve as ls
from labelsieve.core import workers
from labelsieve.core.workers import GivenUp
from labelsieve.workers.in_turn import InTurn
from labelsieve.workers.processes import Processes

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(os.name == "nt", reason="signals of Unix")]

TASKS = """
import os, signal, time
from pathlib import Path
from labelsieve.core.errors import UserError

def state():
    return os.getpid(), os.environ["LABELSIEVE_THREADS"], os.environ["OMP_NUM_THREADS"]

def square(state, item):
    return item * item, state

def dies(state, item):
    folder, number, times = item
    with open(Path(folder, str(number)), "a") as file:
        file.write("x")
    if Path(folder, str(number)).stat().st_size <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return number

def fails(state, item):
    if item == 1:
        raise ZeroDivisionError("one")
    if item == 9:
        raise UserError("Nine is wrong for everybody.")
    return item

def sleeps(state, item):
    folder, seconds = item
    Path(folder, f"{os.getpid()}.pid").touch()
    time.sleep(seconds)
    return seconds
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "worker_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(folder)
    import importlib

    sys.modules.pop("worker_tasks", None)
    return importlib.import_module("worker_tasks")


def test_every_item_once_with_one_state_a_worker(tasks, monkeypatch):
    monkeypatch.setenv("LABELSIEVE_THREADS", "6")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    results = dict(Processes(2).run(tasks.square, range(20), start=tasks.state))
    assert {position: result[0] for position, result in results.items()} == {i: i * i for i in range(20)}
    states = {result[1] for result in results.values()}
    assert len({process for process, _, _ in states}) <= 2 and os.getpid() not in {process for process, _, _ in states}
    assert {(own, omp) for _, own, omp in states} == {("3", "3")}
    assert os.environ["LABELSIEVE_THREADS"] == "6" and "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("kind", [Processes(2), InTurn()])
def test_no_items(kind, tasks):
    assert list(kind.run(tasks.square, [])) == []


def test_the_item_of_a_killed_worker_goes_to_another_and_three_times_is_enough(tasks, tmp_path):
    items = [(str(tmp_path), i, {2: 1, 5: 2, 7: 99}.get(i, 0)) for i in range(10)]
    results = dict(Processes(2).run(tasks.dies, items))
    assert isinstance(given_up := results.pop(7), GivenUp) and "killed" in given_up.reason
    assert results == {i: i for i in range(10) if i != 7}
    tried = {i: (tmp_path / str(i)).stat().st_size for i in range(10)}
    assert tried == {i: {2: 2, 5: 3, 7: 3}.get(i, 1) for i in range(10)}


@pytest.mark.parametrize("kind", [Processes(2), InTurn()])
def test_an_error_is_tried_again_and_a_mistake_of_the_user_ends_all(kind, tasks):
    results = dict(kind.run(tasks.fails, range(4)))
    assert results.pop(1) == GivenUp("ZeroDivisionError: one") and results == {0: 0, 2: 2, 3: 3}
    with pytest.raises(ls.UserError, match="Nine is wrong"):
        dict(kind.run(tasks.fails, [9, 2]))


def test_it_says_what_it_waits_for(tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.2)
    told = []
    assert dict(Processes(1).run(tasks.sleeps, [(str(tmp_path), 1.5)], waiting=told.append)) == {0: 1.5}
    assert told and told[0] == [0]


PROGRAM = """
    import sys
    sys.path.insert(0, sys.argv[1])
    import worker_tasks
    from labelsieve.workers.processes import Processes
    print("started", flush=True)
    list(Processes(2).run(worker_tasks.sleeps, [(sys.argv[2], 60)] * 2))
"""  # without `if __name__ == "__main__"`: the workers must not run it again


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_workers_end_with_their_driver(tasks, tmp_path, name):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    source = str(Path(ls.__file__).parents[1])
    driver = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "modules"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until(lambda: len(list(tmp_path.glob("*.pid"))) == 2 or driver.poll() is not None)
    own = [int(path.stem) for path in tmp_path.glob("*.pid")]
    assert len(own) == 2
    if name == "SIGINT":  # as a terminal does: to every process of the group
        os.killpg(driver.pid, signal.SIGINT)
    else:
        driver.kill()
    out, error = driver.communicate(timeout=20)
    assert out == b"started\n" and error.count(b"KeyboardInterrupt") == (name == "SIGINT")
    until(lambda: not any(runs(process) for process in own))


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
