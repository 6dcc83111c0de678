"""Without its library an adapter says in one sentence what to install."""

import importlib.util
import sys

import pytest

import labelsieve.adapters
from labelsieve.core.errors import UserError


@pytest.mark.parametrize(
    ("adapter", "libraries", "install"),
    [
        ("sklearn", ["sklearn.base"], r"pip install labelsieve\[sklearn\]"),
        ("lightning", ["lightning.pytorch", "pytorch_lightning"], "pip install pytorch-lightning"),
        ("trainer", ["transformers"], r"pip install labelsieve\[hf\] accelerate"),
    ],
)
def test_says_what_to_install(monkeypatch, adapter, libraries, install):
    for library in libraries:
        monkeypatch.setitem(sys.modules, library, None)  # None makes the import fail
    spec = importlib.util.spec_from_file_location("fresh", f"{labelsieve.adapters.__path__[0]}/{adapter}.py")
    with pytest.raises(UserError, match=install):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
