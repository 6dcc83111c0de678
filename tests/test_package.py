"""What `import labelsieve` costs and offers, and that the docs name everything."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import labelsieve
from labelsieve.detectors import DETECTORS

ROOT = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "pyarrow",
    "onnxruntime",
    "onnx",
    "PIL",
    "rich",
    "cyclopts",
    "sklearn",
    "scipy",
    "fsspec",
    "datasets",
    "numpy",
)


def modules_after(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(out.stdout.split())


def test_import_is_light():
    assert not modules_after("import labelsieve").intersection(HEAVY)


def test_find_on_features_needs_no_torch_and_no_onnxruntime():
    code = "import numpy as np, labelsieve as ls\nls.find(np.random.default_rng(0).normal(size=(40, 3)), labels=np.arange(40) % 2)"
    assert not modules_after(code).intersection(
        {"torch", "onnxruntime", "onnx", "sklearn", "scipy", "rich", "cyclopts"}
    )


@pytest.mark.parametrize("name", [n for n in labelsieve.__all__ if n != "LabelErrorDetector"])
def test_every_public_name_loads(name):
    assert getattr(labelsieve, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="finde"):
        labelsieve.finde  # noqa: B018


def test_the_docs_name_every_detector_command_and_option():
    docs = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
    for name in DETECTORS:
        assert f"`{name}`" in docs["detectors.md"], name
    from labelsieve.cli.app import app
    from labelsieve.cli.demo import demo
    from labelsieve.cli.evaluate import evaluate
    from labelsieve.cli.find import find
    from labelsieve.cli.noise import noise

    for command in (find, demo, noise, evaluate):
        assert f"`labelsieve {command.__name__}" in docs["commands.md"]
        assert command.__name__ in app
        for parameter in inspect.signature(command).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY:
                assert f"--{parameter.name.replace('_', '-')}" in docs["commands.md"], parameter.name


def test_the_docs_name_every_column():
    import numpy as np

    rng = np.random.default_rng(0)
    findings = labelsieve.find(rng.normal(size=(60, 4)), labels=np.arange(60) % 3)
    text = (ROOT / "docs" / "findings.md").read_text()
    for column in findings.table().column_names:
        assert f"`{column}`" in text or column.startswith("score_"), column


def test_links_between_the_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    """Every Python block, on a folder of pictures called photos/."""
    pytest.importorskip("onnxruntime")
    from labelsieve.data import demo

    monkeypatch.setattr(demo, "EACH", 8)
    monkeypatch.setattr(demo, "TWINS", 2)
    demo.write(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert blocks and len(names["findings"]) == 98


def test_the_training_loops_of_the_docs_run():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    train_set = [(torch.randn(4), i % 10, i) for i in range(20)]
    model = torch.nn.Linear(4, 10)
    names = {"ls": labelsieve, "epochs": 2, "train_set": train_set, "model": model}
    names |= {
        "loader": torch.utils.data.DataLoader(train_set, 5),
        "optimiser": torch.optim.SGD(model.parameters(), 0.1),
    }
    before = model.weight.detach().clone()
    section = (ROOT / "docs" / "python.md").read_text().partition("## Your own training loop")[2].partition("\n## ")[0]
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        exec(block, names)
    assert (
        names["record"].loss.shape == (2, 20)
        and names["criterion"].memory.any(1).all()
        and not torch.equal(model.weight, before)
    )
