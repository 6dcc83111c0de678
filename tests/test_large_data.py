"""`find` on many rows: arrays and columns in files, and its memory, measured in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import labelsieve as ls

ROOT = Path(__file__).parents[1]


def test_arrays_and_columns_in_files_give_the_same_findings(monkeypatch, tmp_path):
    digits, rng = load_digits(), np.random.default_rng(0)
    labels = np.where(rng.random(len(digits.target)) < 0.1, rng.integers(0, 10, len(digits.target)), digits.target)
    np.save(tmp_path / "x.npy", digits.data.astype(np.float16))
    names = "\n".join(["label", *(f"class {label}" for label in labels)])
    (tmp_path / "labels.csv").write_text(names + "\n")

    def found(folder: str) -> ls.Findings:
        return ls.find(tmp_path / "x.npy", labels=tmp_path / "labels.csv", out=tmp_path / folder, progress=False)

    inside = found("inside")
    monkeypatch.setattr("labelsieve.core.memory_map.IN_MEMORY", 0)
    monkeypatch.setattr("labelsieve.core.memory_map.COLUMN", 0)
    monkeypatch.setattr("labelsieve.core.dataset.FEW", 0)
    monkeypatch.setattr("labelsieve.store.run.ROWS", 500)
    outside = found("outside")
    assert isinstance(np.asarray(outside.scores["aum"]).base, np.memmap)
    assert outside.ids.itemsize == 16 and outside.ids.tolist() == inside.ids.tolist()
    assert outside.settings["data_hash"] == inside.settings["data_hash"]
    np.testing.assert_allclose(outside.p_wrong, inside.p_wrong, atol=1e-6)
    one, other = (ls.open_run(tmp_path / folder).findings for folder in ("inside", "outside"))
    table = other.table(ranked=False)
    assert table.select(["id", "given_label", "rank", "content"]) == one.table(ranked=False).select(
        ["id", "given_label", "rank", "content"]
    )
    assert table.column_names == one.table(ranked=False).column_names
    assert not [path.name for path in (tmp_path / "outside" / "evidence").iterdir() if "shuffled" in path.name]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc counts the pages")
def test_memory_grows_by_less_than_a_fixed_number_of_bytes_per_row(tmp_path):
    def own(rows: int) -> int:
        command = [sys.executable, ROOT / "bench" / "large.py", tmp_path, "--rows", rows, "--width", 8, "--classes", 4]
        run = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
        told = json.loads(run.stdout.splitlines()[0])
        assert told["aucpr"] > 0.12  # 0.075 by chance
        return told["own_megabytes"]

    fewer, more = own(20_000), own(220_000)
    assert (more - fewer) * 1e6 / 200_000 < 1200  # samples of rows and runs of lists grow up to a million rows
