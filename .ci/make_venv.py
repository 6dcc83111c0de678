"""Makes .venv with pip in it, for the Makefile.

Debian's Python comes without `ensurepip` unless python3-venv is installed. Then the pip of the system installs pip
there. Where there is none either, pip comes from PyPI: one file, whose hash is known.
"""

import hashlib
import subprocess
import sys
import tempfile
import urllib.request
from importlib.util import find_spec
from pathlib import Path

VENV = Path(".venv")
WHEEL = "pip-26.3-py3-none-any.whl"
URL = f"https://files.pythonhosted.org/packages/07/25/ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/{WHEEL}"
SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
QUIET = ["install", "--quiet", "--disable-pip-version-check"]


def main():
    if installed("ensurepip"):
        sys.exit(run(sys.executable, "-m", "venv", VENV))
    if run(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV):
        sys.exit("Python's own module `venv` failed; install it: apt-get install python3-venv")
    if installed("pip") and not run(sys.executable, "-m", "pip", "--python", VENV / "bin/python", *QUIET, "pip"):
        return
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder, WHEEL)
        wheel.write_bytes(fetched())
        sys.exit(run(VENV / "bin/python", wheel / "pip", *QUIET, "--no-index", wheel))


def installed(module):
    spec = find_spec(module)
    return spec is not None and spec.origin is not None  # an empty folder that a package left behind has none


def fetched():
    """The wheel of pip."""
    try:
        with urllib.request.urlopen(URL, timeout=60) as answer:
            wheel = answer.read()
    except OSError as error:
        sys.exit(
            f"This Python has no pip, and PyPI cannot be reached ({error}); install it: apt-get install python3-venv"
        )
    if hashlib.sha256(wheel).hexdigest() != SHA256:
        sys.exit(f"{URL} is not the file that it should be; install pip instead: apt-get install python3-venv")
    return wheel


def run(*command):
    """The exit code."""
    return subprocess.run([str(part) for part in command]).returncode


if __name__ == "__main__":
    main()
