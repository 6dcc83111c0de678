"""What the Makefile makes .venv with, on a Debian without python3-venv."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_repository_holds_no_wheel():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git repository")
    assert "Makefile" in listed.stdout and ".whl" not in listed.stdout


def test_without_ensurepip_pip_and_network_a_message_says_what_to_install(tmp_path):
    script = ROOT / ".ci" / "make_venv.py"
    hidden = "import sys; sys.modules.update(ensurepip=None, pip=None)"
    code = f"{hidden}; import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    environment = {**os.environ, "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "apt-get install python3-venv" in done.stderr
    assert (tmp_path / ".venv/bin/python").exists(), "all but pip is there"
