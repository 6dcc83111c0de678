"""`onnx:FILE` on tiny models built here, whose answers NumPy can compute."""

import json

import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.encode import encoder
from labelsieve.encode.image_processor import IMAGENET

IMAGENET_MEAN, IMAGENET_STD = IMAGENET
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)


def save(path, nodes, inputs, outputs, constants=()):
    infos = [
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in side] for side in (inputs, outputs)
    ]
    graph = helper.make_graph(
        nodes, "tiny", *infos, [numpy_helper.from_array(value, name) for name, value in constants]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def image_model(path, shape, kind=TensorProto.FLOAT):
    """The input itself as a float feature map: pooling must give the mean of each channel."""
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    return save(path, nodes, [("x", kind, shape)], [("y", TensorProto.FLOAT, shape)])


def means(pictures):
    return pictures.reshape(len(pictures), -1, 3).mean(1)


@pytest.mark.parametrize(
    "shape", [["n", 12, 12, 3], ["n", 3, 12, 12], ["n", 3, "h", "w"], [2, 12, 12, 3], [1, 3, 12, 12]]
)
def test_layouts_fixed_and_free_sizes_uint8(tmp_path, shape):
    made = encoder(f"onnx:{image_model(tmp_path / 'm.onnx', shape, TensorProto.UINT8)}", "image", side=12)
    assert (made.side, made.width) == (12, 3)
    assert np.allclose(made(PICTURES), means(PICTURES), atol=1e-3)


def test_float_input_is_normalised_as_imagenet_is(tmp_path):
    made = encoder(f"onnx:{image_model(tmp_path / 'm.onnx', ['n', 3, 12, 12])}", "image")
    assert np.allclose(made(PICTURES), (means(PICTURES) / 255 - IMAGENET_MEAN) / IMAGENET_STD, atol=1e-4)


def test_half_precision_input(tmp_path):
    made = encoder(f"onnx:{image_model(tmp_path / 'm.onnx', ['n', 3, 12, 12], TensorProto.FLOAT16)}", "image")
    features = made(PICTURES)
    assert features.dtype == np.float32
    assert np.allclose(features, (means(PICTURES) / 255 - IMAGENET_MEAN) / IMAGENET_STD, atol=1e-2)


def test_the_preprocessor_next_to_the_file_is_used(tmp_path):
    config = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": {"height": 12, "width": 12}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    made = encoder(f"onnx:{image_model(tmp_path / 'm.onnx', ['n', 3, 'h', 'w'])}", "image")
    assert made.side == 12
    assert np.allclose(made(PICTURES), (means(PICTURES) / 255 - 0.5) / 0.25, atol=1e-4)


def test_other_weights_change_the_name(tmp_path):
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"])]
    shapes = [("x", TensorProto.FLOAT, ["n", 12, 12, 3])], [("y", TensorProto.FLOAT, ["n", 12, 12, 3])]
    names = []
    for weight in (1, 2):
        path = save(tmp_path / "same.onnx", nodes, *shapes, [("w", np.float32(weight))])
        names.append(encoder(f"onnx:{path}", "image").name)
    assert names[0] != names[1]


def test_files_that_do_not_fit_are_refused_with_a_message(tmp_path):
    fixed = image_model(tmp_path / "fixed.onnx", ["n", 12, 12, 3])
    with pytest.raises(UserError, match="12 px only, not 224"):
        encoder(f"onnx:{fixed}", "image", side=224)
    with pytest.raises(UserError, match="no input called input_ids"):
        encoder(f"onnx:{fixed}", "text")
    with pytest.raises(UserError, match="three channels"):
        encoder(f"onnx:{image_model(tmp_path / 'grey.onnx', ['n', 1, 12, 12])}", "image")
    flat = save(
        tmp_path / "flat.onnx",
        [helper.make_node("Relu", ["x"], ["y"])],
        *[[(n, TensorProto.FLOAT, ["n", 4])] for n in "xy"],
    )
    with pytest.raises(UserError, match="not an image model"):
        encoder(f"onnx:{flat}", "image")
    (tmp_path / "broken.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="cannot load"):
        encoder(f"onnx:{tmp_path / 'broken.onnx'}", "image")


VOCABULARY = {"[PAD]": 0, "[UNK]": 1, "red": 2, "green": 3, "blue": 4}
TABLE = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def text_model(folder, extra=()):
    """A lookup table: token states that a test can average by hand."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["states"])]
    inputs = [(name, TensorProto.INT64, ["n", "t"]) for name in ("input_ids", "attention_mask", *extra)]
    return save(
        folder / "model.onnx", nodes, inputs, [("states", TensorProto.FLOAT, ["n", "t", 6])], [("table", TABLE)]
    )


def tokenizer(path):
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(path))


@pytest.mark.parametrize("extra", [(), ("token_type_ids",)])
@pytest.mark.parametrize("place", ["beside", "one up"])
def test_texts_are_the_mean_of_their_own_tokens(tmp_path, extra, place):
    folder = tmp_path / "onnx"
    folder.mkdir()
    tokenizer((folder if place == "beside" else tmp_path) / "tokenizer.json")
    made = encoder(f"onnx:{text_model(folder, extra)}", "text")
    features = made(["red green", "blue", "red red blue what"])
    expected = np.stack([TABLE[[2, 3]].mean(0), TABLE[4], TABLE[[2, 2, 4, 1]].mean(0)])
    assert np.allclose(features, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    assert made.width == 6


def test_a_text_has_the_same_features_in_any_company(tmp_path):
    tokenizer(tmp_path / "tokenizer.json")
    made = encoder(f"onnx:{text_model(tmp_path)}", "text")
    texts = [f"{'red ' * (i * 7 % 31)}green {'blue ' * (i * 5 % 12)}" for i in range(40)]
    assert np.allclose(made(texts), np.concatenate([made([text]) for text in texts]), atol=1e-6)


def test_long_texts_are_read_in_parts(tmp_path):
    tokenizer(tmp_path / "tokenizer.json")
    made = encoder(f"onnx:{text_model(tmp_path)}", "text")
    features, parts = made.read(["red " * 256, "red " * 256 + "blue " * 500, "green"])
    unit = TABLE / np.linalg.norm(TABLE, axis=1, keepdims=True)
    whole = 256 * unit[2] + 500 * unit[4]
    assert parts.tolist() == [1, 3, 1]
    assert np.allclose(features, [unit[2], whole / np.linalg.norm(whole), unit[3]], atol=1e-5)


def test_parts_of_a_very_long_text_are_read_from_beginning_to_end(tmp_path):
    tokenizer(tmp_path / "tokenizer.json")
    made = encoder(f"onnx:{text_model(tmp_path)}", "text")
    features, parts = made.read(["red " * 300_000 + "blue " * 300_000])
    unit = TABLE / np.linalg.norm(TABLE, axis=1, keepdims=True)
    both = unit[2] + unit[4]
    assert parts[0] > 2000
    assert features[0] @ both / np.linalg.norm(both) > 0.98


def test_a_text_model_without_its_tokenizer_is_refused_with_a_message(tmp_path):
    with pytest.raises(UserError, match=r"put tokenizer\.json next to it"):
        encoder(f"onnx:{text_model(tmp_path)}", "text")


def scaled(path, weight, **external):
    """A model that multiplies pictures by one weight, stored beside the graph where `external` says so."""
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"])]
    shapes = [("x", TensorProto.FLOAT, ["n", 12, 12, 3])], [("y", TensorProto.FLOAT, ["n", 12, 12, 3])]
    save(path, nodes, *shapes, [("w", np.full((12, 12, 3), weight, np.float32))])
    if external:
        model = onnx.load(path)
        onnx.save(model, path, save_as_external_data=True, size_threshold=0, **external)
    return path


@pytest.mark.parametrize("place", ["model.onnx.data", "model.onnx_data", "weights/w.bin"])
def test_changed_weights_next_to_the_graph_change_the_name(tmp_path, place):
    (tmp_path / "weights").mkdir()
    path = scaled(tmp_path / "model.onnx", 1, location=place)
    graph = path.read_bytes()
    names = [encoder(f"onnx:{path}", "image").name]
    (tmp_path / place).write_bytes((tmp_path / place).read_bytes()[::-1])
    (tmp_path / place).write_bytes(np.full((12, 12, 3), 2, np.float32).tobytes())
    made = encoder(f"onnx:{path}", "image")
    assert path.read_bytes() == graph
    assert made.name not in names
    assert np.allclose(made(PICTURES), 2 * (means(PICTURES) / 255 - IMAGENET_MEAN) / IMAGENET_STD, atol=1e-3)


def test_weights_of_each_tensor_in_a_file_of_its_own_count(tmp_path):
    path = scaled(tmp_path / "model.onnx", 1, all_tensors_to_one_file=False)
    [weights] = [file for file in tmp_path.iterdir() if file.name != "model.onnx"]
    before = encoder(f"onnx:{path}", "image").name
    weights.write_bytes(np.full((12, 12, 3), 3, np.float32).tobytes())
    assert encoder(f"onnx:{path}", "image").name != before


def test_missing_or_outside_weights_are_refused_with_a_message(tmp_path):
    path = scaled(tmp_path / "model.onnx", 1, location="model.onnx.data")
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(UserError, match=r"file of weights model\.onnx\.data, which is not next to it"):
        encoder(f"onnx:{path}", "image")
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        entry.value = "../elsewhere.bin" if entry.key == "location" else entry.value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="outside its own folder"):
        encoder(f"onnx:{path}", "image")


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"do_normalize": False}, lambda x: x / 255),
        ({"do_rescale": False, "do_normalize": False}, lambda x: x),
        ({"do_rescale": False, "image_mean": [100.0] * 3, "image_std": [50.0] * 3}, lambda x: (x - 100) / 50),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}, lambda x: x / 127.5 - 1),
        ({"image_mean": 0.5, "image_std": 0.5, "do_flip_channel_order": True}, lambda x: x[:, ::-1] / 127.5 - 1),
    ],
)
def test_each_setting_of_the_processor_is_honoured_in_either_file(tmp_path, name, settings, expected):
    content = settings if name.startswith("pre") else {"image_processor": settings, "processor_class": "CLIPProcessor"}
    (tmp_path / name).write_text(json.dumps(content))
    made = encoder(f"onnx:{image_model(tmp_path / 'm.onnx', ['n', 3, 12, 12])}", "image")
    assert np.allclose(made(PICTURES), expected(means(PICTURES)), atol=1e-3)
    assert made.notes == ()


def test_without_a_processor_a_note_says_what_is_assumed(tmp_path):
    [note] = encoder(f"onnx:{image_model(tmp_path / 'm.onnx', ['n', 3, 12, 12])}", "image").notes
    assert "0.485, 0.456, 0.406" in note and "0.229, 0.224, 0.225" in note
    assert encoder(f"onnx:{image_model(tmp_path / 'm.onnx', ['n', 3, 12, 12], TensorProto.UINT8)}", "image").notes == ()


def test_new_settings_of_the_processor_change_the_name(tmp_path):
    path, names = image_model(tmp_path / "m.onnx", ["n", 3, 12, 12]), set()
    for mean in (0.5, 0.4):
        (tmp_path / "preprocessor_config.json").write_text(
            json.dumps({"image_mean": [mean] * 3, "image_std": [0.5] * 3})
        )
        names.add(encoder(f"onnx:{path}", "image").name)
    assert len(names) == 2


@pytest.mark.parametrize("pooled_first", [False, True])
def test_a_text_model_with_both_outputs_gives_the_mean_over_its_tokens(tmp_path, pooled_first):
    tokenizer(tmp_path / "tokenizer.json")
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"]),
        helper.make_node("ReduceMax", ["last_hidden_state"], ["pooler_output"], axes=[1], keepdims=0),
    ]
    inputs = [(name, TensorProto.INT64, ["n", "t"]) for name in ("input_ids", "attention_mask")]
    outputs = [("last_hidden_state", TensorProto.FLOAT, ["n", "t", 6]), ("pooler_output", TensorProto.FLOAT, ["n", 6])]
    save(tmp_path / "model.onnx", nodes, inputs, outputs[::-1] if pooled_first else outputs, [("table", TABLE)])
    features = encoder(f"onnx:{tmp_path / 'model.onnx'}", "text")(["red green", "blue"])
    expected = np.stack([TABLE[[2, 3]].mean(0), TABLE[4]])
    assert np.allclose(features, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
