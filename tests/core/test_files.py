"""Files that are replaced: whole or not at all, and errors that name them."""

import errno
import os
import sys

import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, require_own, write_array, write_json


@pytest.fixture
def small_disk():
    """No file of more than 1000 bytes can be written."""
    resource = pytest.importorskip("resource", exc_type=ImportError)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_text(path, n):
    with replacing(path) as partial, open(partial, "w") as file:
        file.write("x" * n)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files there")
@pytest.mark.parametrize("write", [write_text, lambda path, n: write_array(path, np.zeros(n)), lambda path, n: write_json(path, ["x"] * n)])
def test_a_full_disk_leaves_the_file_before(tmp_path, small_disk, write):
    path = tmp_path / "file"
    write(path, 10)
    before = path.read_bytes()
    with pytest.raises(OSError) as caught:
        write(path, 5000)
    assert caught.value.filename == str(path) and caught.value.errno in (errno.EFBIG, errno.ENOSPC)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "file"):
        (tmp_path / "source").read_bytes()
    assert caught.value.filename == str(tmp_path / "source") and not list(tmp_path.iterdir())


def test_a_pipe_or_device_stays_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="no regular file"), replacing(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()


def test_only_an_own_file_or_an_empty_one_is_replaced(tmp_path):
    path = tmp_path / "file.csv"
    require_own(path, "id,label\n", "predict")
    for fine in ("", "id,label\n", "id,label\n1,ant\n"):
        path.write_text(fine)
        require_own(path, "id,label\n", "predict")
    for foreign in ("i", "id,label,note\n", "\n"):
        path.write_text(foreign)
        with pytest.raises(UserError, match="file.csv is there already and is not what `labelsieve predict` wrote"):
            require_own(path, "id,label\n", "predict")
