"""`make bench`: what it runs exists, what lacks data is skipped in a line, and the table says what was written."""

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"


def run_all(*arguments):
    return subprocess.run(
        (sys.executable, BENCH / "run_all.py", *map(str, arguments)), capture_output=True, text=True, check=False
    )


def test_scripts_without_their_data_are_skipped(tmp_path):
    done = run_all("--records", tmp_path / "records", "--only", "robust_features")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith("skipped: needs DATA")
    done = run_all("--records", tmp_path / "records", "--only", "robust_features", "--data", tmp_path)
    assert done.stdout.splitlines()[-1].endswith("skipped: DATA has no cifar10.py")


def test_every_script_exists_and_knows_its_options():
    sys.path.insert(0, str(BENCH))
    try:
        from run_all import JOBS
    finally:
        sys.path.remove(str(BENCH))
    for job in JOBS:
        script, *arguments = job.command.split()
        text = (BENCH / script).read_text()
        assert all(word in text for word in arguments if word.startswith("--")), job.command
        assert job.command.format(data="DATA", any="none", records="RECORDS", work="WORK")
    assert len({job.name for job in JOBS}) == len(JOBS)
