"""The reader of legacy PyTorch checkpoints: right numbers, no code, sentences for damage."""

import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from labelsieve.encode.torch_checkpoint import load_tensors


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Global:
    """Pickles as a global name of another module, as PyTorch's own files do."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Writer(pickle._Pickler):  # the Python pickler: it lets the test write names of modules that are not installed
    def persistent_id(self, value):
        return (
            ("storage", Global("torch", "FloatStorage"), value.key, "cpu", value.count, None)
            if isinstance(value, Storage)
            else None
        )

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(b"c" + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Rebuilt):
            self.save(Global("torch._utils", "_rebuild_tensor_v2"))
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


class Rebuilt:
    def __init__(self, *arguments):
        self.arguments = arguments


def pickled(value) -> bytes:
    file = io.BytesIO()
    Writer(file, 2).dump(value)
    return file.getvalue()


def checkpoint(state, storages) -> bytes:
    parts = [
        pickled(0x1950A86A20F9469CFC6C),
        pickled(1001),
        pickled({"little_endian": True}),
        pickled(state),
        pickled(list(storages)),
    ]
    parts += [len(values).to_bytes(8, "little") + np.asarray(values, "<f4").tobytes() for values in storages.values()]
    return b"".join(parts)


VALUES = np.arange(12, dtype=np.float32)
STATE = OrderedDict(
    plain=Rebuilt(Storage("a", 12), 0, (3, 4), (4, 1), False, OrderedDict()),
    turned=Rebuilt(Storage("a", 12), 0, (4, 3), (1, 4), False, OrderedDict()),
    part=Rebuilt(Storage("a", 12), 5, (2,), (3,), False, OrderedDict()),
)


def written(tmp_path, data: bytes):
    path = tmp_path / "model.pth"
    path.write_bytes(data)
    return path


def test_shapes_strides_and_offsets(tmp_path):
    tensors = load_tensors(written(tmp_path, checkpoint(STATE, {"a": VALUES})))
    assert np.array_equal(tensors["plain"], VALUES.reshape(3, 4))
    assert np.array_equal(tensors["turned"], VALUES.reshape(3, 4).T)
    assert np.array_equal(tensors["part"], [5, 8])


def test_every_truncation_is_a_value_error(tmp_path):
    data = checkpoint(STATE, {"a": VALUES})
    for length in range(0, len(data), 7):
        with pytest.raises(ValueError, match="not a PyTorch checkpoint"):
            load_tensors(written(tmp_path, data[:length]))


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    state = OrderedDict(wide=Rebuilt(Storage("a", 12), 8, (3, 4), (4, 1), False, OrderedDict()))
    with pytest.raises(ValueError, match="beyond its storage"):
        load_tensors(written(tmp_path, checkpoint(state, {"a": VALUES})))


@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("builtins", "eval"), ("posix", "system"), ("torch", "load")]
)
def test_a_hostile_pickle_is_refused_before_it_runs(tmp_path, module, name):
    trap = tmp_path / "trap"
    call = (
        b"\x80\x02c"
        + f"{module}\n{name}\n".encode()
        + b"(X"
        + len(str(trap)).to_bytes(4, "little")
        + str(trap).encode()
        + b"tR."
    )
    with pytest.raises(ValueError, match=f"{module}.{name}"):
        load_tensors(written(tmp_path, call))
    assert not trap.exists()
    head = pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + pickled({})
    with pytest.raises(ValueError, match=f"{module}.{name}"):
        load_tensors(written(tmp_path, head + call))


def test_another_format_is_refused(tmp_path):
    for data in (b"", b"PK\x03\x04 a zip", pickled(1) + pickled(2) + pickled(3), pickle.dumps({"a": 1})):
        with pytest.raises(ValueError, match="not a PyTorch checkpoint"):
            load_tensors(written(tmp_path, data))
