from collections import Counter

import numpy as np
import pytest
from PIL import Image

from labelsieve.core.errors import UserError
from labelsieve.data import demo, load


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "pictures"
    return folder, demo.write(folder, seed=1)


def test_class_folders_with_the_planted_share_of_wrong_labels(drawn):
    folder, truth = drawn
    data = load(folder)
    assert data.classes == tuple(demo.LETTERS)
    assert set(truth) == {*data.ids} - {demo.CUT_OFF}
    given = {key: data.classes[label] for key, label in zip(data.ids, data.labels, strict=True)}
    wrong = [(truth[key], given[key]) for key in truth if given[key] != truth[key]]
    assert len(wrong) == round(demo.WRONG * demo.EACH * len(demo.LETTERS)) + demo.TWINS
    assert sum(demo.ALIKE.get(true) == label for true, label in wrong) > 0.25 * len(wrong)
    assert min(Counter(truth.values()).values()) >= demo.EACH


def test_pictures_are_readable_and_no_two_look_alike_by_chance(drawn):
    folder, truth = drawn
    names = sorted(truth)[::40]
    pixels = [np.asarray(Image.open(folder / name)) for name in names]
    assert {p.shape for p in pixels} == {(demo.SIDE, demo.SIDE, 3)}
    assert all(p.std() > 5 for p in pixels)
    assert len({p.tobytes() for p in pixels}) == len(names)


def test_exact_copies_under_different_labels(drawn):
    folder, truth = drawn
    seen = Counter((folder / name).read_bytes() for name in truth)
    copies = [content for content, count in seen.items() if count > 1]
    assert len(copies) == demo.TWINS // 2
    for content in copies:
        names = [name for name in truth if (folder / name).read_bytes() == content]
        assert len({name.split("/")[0] for name in names}) == 2 and len({truth[name] for name in names}) == 1


def test_one_file_is_truncated_and_one_is_not_a_picture(drawn):
    folder, _ = drawn
    with pytest.raises(OSError, match="truncated"):
        Image.open(folder / demo.CUT_OFF).load()
    assert [e.id for e in load(folder).excluded] == [demo.NO_PICTURE]


def test_the_same_seed_writes_the_same_files_also_over_old_ones(drawn):
    folder, truth = drawn
    before = {name: (folder / name).read_bytes() for name in sorted(truth)[::100]}
    assert demo.write(folder, seed=1) == truth
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_other_peoples_files_are_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(UserError, match=r"holiday\.jpg"):
        demo.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(UserError, match="cannot be written"):
        demo.write(tmp_path / "holiday.jpg" / "below")
