"""What the classes mean, from a table: read, checked, kept, and refused with a sentence."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelsieve.core.class_meaning import Meaning
from labelsieve.core.errors import UserError
from labelsieve.data.class_table import read_class_table
from labelsieve.store import class_guide

CLASSES, IDS = ("0", "1", "2"), ("a", "b", "c")


def written(tmp_path, text, name="classes.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


def test_names_guidelines_and_examples_are_read_from_every_kind_of_table(tmp_path):
    rows = [
        {"code": 0, "name": "cat", "guideline": 'Any cat, "tame" or not;\nno drawings.', "example": "b"},
        {"code": 1, "name": "dog", "guideline": "", "example": ""},
    ]
    expected = {"0": Meaning("cat", 'Any cat, "tame" or not;\nno drawings.', "b"), "1": Meaning("dog", "", "")}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    written(
        tmp_path, 'class,name,guideline,example\n0,cat,"Any cat, ""tame"" or not;\nno drawings.",b\n1,dog,,\n', "c.csv"
    )
    written(
        tmp_path,
        'Code;Name;Description;example_id\n0.0;cat;"Any cat, ""tame"" or not;\nno drawings.";b\n1.0;dog;;\n',
        "d.csv",
    )
    for name in ("c.parquet", "c.jsonl", "c.csv", "d.csv"):
        guide, notes = read_class_table(str(tmp_path / name), CLASSES, IDS)
        assert guide == expected
        assert len(notes) == 1 and "does not explain 1 of the 3 classes: '2'" in notes[0]
    class_guide.save(tmp_path, guide)
    assert class_guide.load(tmp_path) == expected
    assert class_guide.load(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind,name\n0,cat\n", "no column 'class'"),
        ("class\n0\n", "none that explains it"),
        ("class,name\n0,cat\n0,dog\n", "row 3 explains the class '0'"),
        ("class,name\n0,cat\n1,cat\n", "the same name, 'cat', to two classes, '0' and '1'"),
        ("class,name\ncat,0\n", "explains none of the classes"),
        ("class,name\n,cat\n", "row 2 has no class"),
        ("class,name,example\n0,cat,zebra.png\n", "'zebra.png' as an example of '0'"),
    ],
)
def test_a_file_that_is_not_a_table_of_classes_is_refused_with_a_message(tmp_path, text, message):
    with pytest.raises(UserError) as refused:
        read_class_table(written(tmp_path, text), CLASSES, IDS)
    assert message in str(refused.value) and "classes.csv" in str(refused.value)


def test_a_class_that_the_data_do_not_have_is_named(tmp_path):
    _, notes = read_class_table(written(tmp_path, "class,name\n0,cat\n1,dog\n2,owl\n7,bat\n"), CLASSES, IDS)
    assert notes == (f"{tmp_path / 'classes.csv'} has rows for classes that the data do not have: '7'.",)
    for name in ("no.csv", "classes.txt"):
        (tmp_path / "classes.txt").write_text("x")
        with pytest.raises(UserError, match="classes= takes"):
            read_class_table(str(tmp_path / name), CLASSES, IDS)
