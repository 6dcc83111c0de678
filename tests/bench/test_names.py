"""Every benchmark finds the names that it imports, without being run."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import labelsieve as ls

BENCH = Path(__file__).parents[2] / "bench"
SCRIPTS = sorted(BENCH.rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_imported_names_exist(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        names = [alias.name for alias in node.names]
        if node.module.startswith("labelsieve"):
            module = import_module(node.module)
            missing = [name for name in names if not hasattr(module, name) and not submodule(node.module, name)]
        elif (BENCH / f"{node.module}.py").is_file():
            missing = sorted(set(names) - top_level(BENCH / f"{node.module}.py"))
        else:
            continue
        assert not missing, (node.module, missing)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_names_of_the_package_exist(script):
    named = set(re.findall(r"\bls\.(\w+)", script.read_text(encoding="utf-8")))
    assert not named - set(ls.__all__)


def submodule(package: str, name: str) -> bool:
    try:
        import_module(f"{package}.{name}")
    except ModuleNotFoundError:
        return False
    return True


def top_level(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return names
