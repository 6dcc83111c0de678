"""svmlight files that scikit-learn writes, through load and apply, and read back by scikit-learn."""

import numpy as np
import pytest
from sklearn.datasets import dump_svmlight_file, load_digits, load_svmlight_file

import labelsieve as ls
from labelsieve.core.errors import UserError

DIGITS = load_digits()
SIGNS = np.where(DIGITS.target[:300] > 4, 1, -1)


@pytest.fixture
def heart(tmp_path):
    """A file of LIBSVM has no suffix."""
    dump_svmlight_file(DIGITS.data[:300], SIGNS, str(tmp_path / "heart_scale"), zero_based=False, comment="two signs")
    return tmp_path / "heart_scale"


def test_a_file_without_suffix_is_recognised(heart):
    data = ls.load(heart)
    assert data.classes == ("-1", "1") and np.array_equal(data.inputs, DIGITS.data[:300, : data.inputs.shape[1]])
    assert "are 0: 50% of them all" in data.notes[0]


def test_apply_keeps_all_other_lines(heart, tmp_path):
    (tmp_path / "p.csv").write_text(f"id,old,new\n3,{SIGNS[3]},{-SIGNS[3]}\n2,{SIGNS[2]},\n")
    ls.apply(heart, patch=tmp_path / "p.csv", out=tmp_path / "clean")
    before, after = heart.read_text().splitlines(), (tmp_path / "clean/heart_scale").read_text().splitlines()
    first = next(i for i, line in enumerate(before) if not line.startswith("#"))
    del before[first + 2]
    assert [i for i, pair in enumerate(zip(before, after, strict=True)) if len(set(pair)) > 1] == [first + 2]
    features, labels = load_svmlight_file(str(tmp_path / "clean/heart_scale"))
    assert features.shape[0] == 299 and labels[2] == -SIGNS[3]


def test_queries_are_groups(tmp_path):
    dump_svmlight_file(DIGITS.data[:100], SIGNS[:100], str(tmp_path / "q.svmlight"), query_id=np.arange(100) // 10)
    assert ls.load(tmp_path / "q.svmlight").groups[[0, 99]].tolist() == ["0", "9"]


def test_a_bad_line_and_too_many_features_are_told(tmp_path):
    (tmp_path / "f.svmlight").write_text("1 1:2\n-1 two:3\n")
    with pytest.raises(UserError, match="line 2 is not one of"):
        ls.load(tmp_path / "f.svmlight")
    (tmp_path / "f.svmlight").write_text("".join(f"{i % 2} {i * 1_000_000 + 1}:1\n" for i in range(100)))
    with pytest.raises(UserError, match="is sparse, 100 rows of 99,000,001 features.*TruncatedSVD"):
        ls.load(tmp_path / "f.svmlight")
