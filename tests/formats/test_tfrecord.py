"""TFRecord files that TensorFlow and TensorFlow Datasets wrote, through load and apply.

What apply writes is read by TensorFlow where it is installed, and by Google's protocol buffers, whose check of the
message does not depend on ours.
"""

import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from PIL import Image

import labelsieve as ls
from labelsieve.core.errors import UserError

FILES = Path(__file__).parent / "files"


def example_class():
    """tf.train.Example, as TensorFlow's example.proto and feature.proto describe it."""
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    kinds = {"BytesList": field.TYPE_BYTES, "FloatList": field.TYPE_FLOAT, "Int64List": field.TYPE_INT64}
    for name, kind in kinds.items():
        file.message_type.add(name=name).field.add(name="value", number=1, type=kind, label=field.LABEL_REPEATED)
    feature = file.message_type.add(name="Feature")
    for number, name in enumerate(kinds, 1):
        feature.field.add(name=name, number=number, type=field.TYPE_MESSAGE, type_name=f".t.{name}", label=1)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=1)
    entry.field.add(name="value", number=2, type=field.TYPE_MESSAGE, type_name=".t.Feature", label=1)
    features.field.add(name="feature", number=1, type=11, type_name=".t.Features.FeatureEntry", label=3)
    file.message_type.add(name="Example").field.add(
        name="features", number=1, type=field.TYPE_MESSAGE, type_name=".t.Features", label=1
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))


Example = example_class()


def examples(raw):
    found, at = [], 0
    while at < len(raw):
        size = struct.unpack_from("<Q", raw, at)[0]
        found.append(Example.FromString(raw[at + 12 : at + 12 + size]).features.feature)
        at += 16 + size
    return found


def patched(place, tmp_path, *lines):
    (tmp_path / "p.csv").write_text("\n".join(["id,old,new", *lines]) + "\n")
    return ls.apply(place, patch=tmp_path / "p.csv", out=tmp_path / "clean")


def test_a_folder_of_tfds_has_its_classes_splits_and_its_own_missing_label():
    data = ls.load(FILES / "tfds_bars")
    assert (len(data), data.classes) == (41, ("low", "middle", "high"))
    assert data.ids[0] == "train/0" and data.ids[-1] == "test/11" and len(data.excluded) == 1
    for row in (0, 17, 40):  # the picture says what the label is
        pixels = np.array(Image.open(io.BytesIO(data.inputs[row])))
        assert int(pixels.mean(axis=1).argmax()) // 2 == data.labels[row]


def test_a_copy_of_tfds_tells_its_new_class_and_numbers(tmp_path):
    data = ls.load(FILES / "tfds_bars")
    name = [data.classes[label] for label in data.labels]
    assert patched(FILES / "tfds_bars", tmp_path, f"train/3,{name[3]},fourth", f"test/11,{name[40]},").left_out == 1
    again = ls.load(tmp_path / "clean")
    assert len(again) == 40 and again.classes[3] == "fourth" and again.labels[3] == 3
    tfds = pytest.importorskip("tensorflow_datasets")
    builder = tfds.builder_from_directory(tmp_path / "clean")
    assert builder.info.splits["test"].num_examples == 11 and builder.info.features["label"].num_classes == 4
    assert int(list(builder.as_dataset(split="train"))[3]["label"]) == 3


def test_records_of_slim_change_name_and_number(tmp_path):
    data = ls.load(FILES / "slim.tfrecord")
    assert data.classes == ("a", "b", "c") and data.ids[5] == "f5.jpg" and data.inputs[5][:2] == b"\xff\xd8"
    patched(FILES / "slim.tfrecord", tmp_path, "f3.jpg,a,new", "f4.jpg,b,c", "f5.jpg,c,")
    before = examples((FILES / "slim.tfrecord").read_bytes())
    after = examples((tmp_path / "clean/slim.tfrecord").read_bytes())
    pairs = [
        (found["image/class/label"].Int64List.value[0], found["image/class/text"].BytesList.value[0]) for found in after
    ]
    assert len(after) == 23 and pairs[2:6] == [(3, b"c"), (4, b"new"), (3, b"c"), (1, b"a")]
    assert after[3]["image/encoded"] == before[3]["image/encoded"]
    tf = pytest.importorskip("tensorflow")
    assert len(list(tf.data.TFRecordDataset(str(tmp_path / "clean/slim.tfrecord")))) == 23


def test_packed_vectors_and_negative_numbers(tmp_path):
    data = ls.load(FILES / "vectors.tfrecord.gz")
    assert data.kind == "features" and data.inputs.shape == (24, 37) and data.inputs[3, 36] == -3
    patched(FILES / "vectors.tfrecord.gz", tmp_path, "3,0,7", "5,2,")
    after = examples(gzip.decompress((tmp_path / "clean/vectors.tfrecord.gz").read_bytes()))
    assert after[3]["label"].Int64List.value[0] == 7 and after[5]["n"].Int64List.value[0] == -6 and len(after) == 23


def test_a_cut_file_and_a_missing_feature_are_told(tmp_path):
    raw = (FILES / "slim.tfrecord").read_bytes()
    (tmp_path / "cut.tfrecord").write_bytes(raw[:-1])
    with pytest.raises(UserError, match="cut.tfrecord is cut: its last record"):
        ls.load(tmp_path / "cut.tfrecord")
    with pytest.raises(UserError, match="no feature 'kind'; there are image/encoded"):
        ls.load(FILES / "slim.tfrecord", label="kind")


def record(raw):
    length = struct.pack("<Q", len(raw))
    return length + checked(length) + raw + checked(raw)


def checked(raw):
    crc = 0xFFFFFFFF
    for byte in raw:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def test_other_records_and_other_packing_are_told(tmp_path):
    sequence = b"\x0a\x00\x12\x02\x0a\x00"  # a context and the lists of a tf.train.SequenceExample, both empty
    (tmp_path / "s.tfrecord").write_bytes(record(sequence))
    with pytest.raises(UserError, match="the record at byte 12 .* is a tf.train.SequenceExample, which holds a series"):
        ls.load(tmp_path / "s.tfrecord")
    (tmp_path / "z.tfrecord").write_bytes(zlib.compress(record(sequence)))
    with pytest.raises(UserError, match="z.tfrecord is packed with zlib, which is not read; write it with GZIP"):
        ls.load(tmp_path / "z.tfrecord")
    (tmp_path / "g.tfrecord").write_bytes((FILES / "vectors.tfrecord.gz").read_bytes()[:-20])
    with pytest.raises(UserError, match="g.tfrecord is damaged"):
        ls.load(tmp_path / "g.tfrecord")
