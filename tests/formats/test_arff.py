"""ARFF files through load and apply; liac-arff, and SciPy where it can, write and read them."""

import io

import numpy as np
import pytest
import scipy.io.arff
from sklearn.datasets import load_iris

import labelsieve as ls
from labelsieve.core.errors import UserError

IRIS = load_iris()
HEAD = """% flowers
@RELATION iris

@ATTRIBUTE 'sepal length' NUMERIC
@attribute b real
@attribute kind {one, {two}, three}
@DATA
"""


def written(path, two, kind="kind"):
    names = ["one", two, "three"]
    rows = (f"{row[0]},{row[1]},{names[t]}" for row, t in zip(IRIS.data, IRIS.target, strict=True))
    head = HEAD.replace("{two}", two).replace("kind", kind)
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def test_the_last_nominal_attribute_is_the_class(tmp_path):
    data = ls.load(written(tmp_path / "i.arff", "'kind two'"))
    assert data.classes == ("kind two", "one", "three") and data.columns.names == ("sepal length", "b")
    assert np.allclose(data.inputs, IRIS.data[:, :2])


def test_apply_changes_one_cell_and_the_values_of_the_class(tmp_path):
    path = written(tmp_path / "i.arff", "two")
    (tmp_path / "p.csv").write_text("id,old,new\n3,one,two\n5,one,it's\n2,one,\n")
    ls.apply(path, patch=tmp_path / "p.csv", out=tmp_path / "clean")
    text = (tmp_path / "clean/i.arff").read_text()
    assert "kind {one, two, three,'it\\'s'}" in text and text.startswith("% flowers\n@RELATION iris\n")
    arff = pytest.importorskip("arff")
    again = arff.loads(text)
    assert [row[2] for row in again["data"][2:5]] == ["two", "one", "it's"] and len(again["data"]) == 149


def test_bags_of_instances_are_told(tmp_path):
    head = "@relation r\n@attribute bag relational\n@attribute x real\n@end bag\n@attribute class {a,b}\n@data\n"
    (tmp_path / "b.arff").write_text(head + "'1\\n2',a\n")
    with pytest.raises(UserError, match="line 2: relational attributes .* are not read"):
        ls.load(tmp_path / "b.arff")


def test_scipy_reads_the_corrected_copy(tmp_path):
    path = written(tmp_path / "i.arff", "two", "class")
    (tmp_path / "p.csv").write_text("id,old,new\n3,one,two\n")
    ls.apply(path, patch=tmp_path / "p.csv", out=tmp_path / "clean")
    rows, _ = scipy.io.arff.loadarff(io.StringIO((tmp_path / "clean/i.arff").read_text()))
    assert rows["class"][3] == b"two" and rows["class"][2] == b"one" and len(rows) == 150


def test_what_liac_arff_writes(tmp_path):
    arff = pytest.importorskip("arff")
    attributes = [("a", "REAL"), ("note", "STRING"), ("of, it", ["yes 'sir'", "no"])]
    rows = [[i / 7, "a, b" if i % 2 else None, "no" if i % 3 else "yes 'sir'"] for i in range(60)]
    (tmp_path / "a.arff").write_text(arff.dumps({"relation": "r", "attributes": attributes, "data": rows}))
    data = ls.load(tmp_path / "a.arff", label="of, it")
    assert data.classes == ("no", "yes 'sir'") and data.labels[:3].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{0 1.5, 2 one}\n", "is sparse ARFF, which is not read; save it as svmlight"),
        ("1,2\n", "line 8 has 2 cells, but there are 3 attributes"),
        ("1,2,four\n", "line 8: 'four' is not among the values of 'kind'"),
        ("1,x,one\n", "line 8: the cell of 'b' is not a number"),
    ],
)
def test_faults_name_the_line(tmp_path, body, message):
    (tmp_path / "f.arff").write_text(HEAD.replace("{two}", "two") + body)
    with pytest.raises(UserError, match=message):
        ls.load(tmp_path / "f.arff")
