"""Tiny image models of every kind through `hf:FOLDER`, in full and half precision, beside the model and its own image
processor by hand."""

import json

import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.encode import encode, encoder

torch = pytest.importorskip("torch")
tf = pytest.importorskip("transformers", minversion="5")
MAPPING = tf.models.auto.image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
VIT = {**SIZES, "image_size": 32, "patch_size": 8}
STAGES = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
HEADS = {**STAGES, "num_attention_heads": [1, 1, 2, 2]}
SWIN = {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
TEXT = {**SIZES, "vocab_size": 50, "max_position_embeddings": 16}
CLIP = {"vision_config": VIT, "text_config": TEXT}
EFFICIENT = {"image_size": 32, "width_coefficient": 0.25, "depth_coefficient": 0.2, "hidden_dim": 320}
CONFIGS = {
    "Aimv2VisionConfig": VIT,
    "AlignConfig": {"vision_config": EFFICIENT, "text_config": {**SIZES, "vocab_size": 50}, "projection_dim": 8},
    "BeitConfig": VIT,
    "BitConfig": {"embedding_size": 8, "hidden_sizes": [32] * 4, "depths": [1] * 4, "num_groups": 8},
    "BlipConfig": {"vision_config": VIT, "text_config": {**TEXT, "encoder_hidden_size": 16}, "projection_dim": 8},
    "ChineseCLIPConfig": {**CLIP, "projection_dim": 8},
    "CLIPConfig": {**CLIP, "projection_dim": 8},
    "CLIPVisionConfig": VIT,
    "ConvNextConfig": STAGES,
    "ConvNextV2Config": STAGES,
    "Data2VecVisionConfig": VIT,
    "DeiTConfig": VIT,
    "Dinov2Config": VIT,
    "Dinov2WithRegistersConfig": VIT,
    "DINOv3ConvNextConfig": STAGES,
    "DINOv3ViTConfig": VIT,
    "DonutSwinConfig": SWIN,
    "DPTConfig": {**VIT, "backbone_out_indices": [0, 0, 1, 1], "neck_hidden_sizes": [8] * 4},
    "EfficientNetConfig": EFFICIENT,
    "FocalNetConfig": {
        **{"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "hidden_sizes": [8, 16]},
        **{"focal_levels": [1, 1], "focal_windows": [3, 3]},
    },
    "GLPNConfig": HEADS,
    "HieraConfig": {
        **{
            "image_size": [32, 32],
            "embed_dim": 8,
            "patch_size": [7, 7],
            "patch_stride": [2, 2],
            "depths": [1, 1],
            "num_heads": [1, 2],
        },
        **{"query_stride": [2, 2], "masked_unit_size": [4, 4], "num_query_pool": 1},
    },
    "IJepaConfig": VIT,
    "LevitConfig": {
        **{
            "image_size": 64,
            "hidden_sizes": [16] * 3,
            "num_attention_heads": [2] * 3,
            "depths": [1] * 3,
            "key_dim": [8] * 3,
        },
    },
    "MLCDVisionConfig": VIT,
    "MobileNetV1Config": {"image_size": 32, "depth_multiplier": 0.25},
    "MobileNetV2Config": {"image_size": 32, "depth_multiplier": 0.25},
    "MobileViTConfig": {
        **{
            "image_size": 64,
            "hidden_sizes": [8, 8, 16],
            "neck_hidden_sizes": [8, 8, 8, 8, 8, 8, 16],
            "num_attention_heads": 2,
        },
    },
    "MobileViTV2Config": {"image_size": 64, "width_multiplier": 0.25},
    "PixioConfig": VIT,
    "PoolFormerConfig": STAGES,
    "PvtConfig": {**HEADS, "image_size": 32},
    "PvtV2Config": {**HEADS, "image_size": 32},
    "RegNetConfig": {"embedding_size": 8, **STAGES, "groups_width": 4},
    "ResNetConfig": {"embedding_size": 8, **STAGES},
    "SegformerConfig": HEADS,
    "SiglipConfig": {"vision_config": VIT, "text_config": {**TEXT, "projection_size": 16}},
    "SiglipVisionConfig": VIT,
    "SwiftFormerConfig": {"embed_dims": [8, 8, 16, 16], "depths": [1] * 4, "image_size": 32},
    "SwinConfig": SWIN,
    "Swinv2Config": SWIN,
    "ViTConfig": VIT,
    "VitDetConfig": {**VIT, "pretrain_image_size": 32},
    "ViTMAEConfig": {
        **VIT,
        **{
            "decoder_hidden_size": 16,
            "decoder_num_hidden_layers": 1,
            "decoder_num_attention_heads": 2,
            "decoder_intermediate_size": 16,
        },
    },
    "ViTMSNConfig": VIT,
    "YolosConfig": {**VIT, "image_size": [32, 32]},
}
FADING = {"AlignConfig": 3, "EfficientNetConfig": 60, "MobileViTConfig": 2}  # gates halve the signal in each layer
LARGER = ("BitConfig", "LevitConfig", "MobileViTConfig", "MobileViTV2Config")


def pictures(side, n=3):
    """Smooth colours that differ from picture to picture."""
    coarse = np.random.default_rng(0).normal(size=(n, side // 8, side // 8, 3)).cumsum(1)
    return np.clip(np.kron(coarse, np.ones((1, 8, 8, 1))) * 40 + 128, 0, 255).astype(np.uint8)


def saved(folder, name, dtype="float32"):
    """The model of a configuration with random weights, in `folder`."""
    torch.manual_seed(0)
    model = tf.AutoModel.from_config(getattr(tf, name)(**CONFIGS[name])).eval()
    for weight in model.parameters():
        if weight.ndim > 1:
            torch.nn.init.kaiming_normal_(weight).detach().mul_(FADING.get(name, 1))
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    return model.config


def processor_of(config, side):
    """The image processor of such models, for `side` and without cutting out the centre."""
    kind = getattr(tf, MAPPING.get(config.model_type, {}).get("pil", "ViTImageProcessorPil"))
    size = {"height": side, "width": side}
    usual = getattr(kind, "size", None) or {}
    if "shortest_edge" in usual:
        size = {"shortest_edge": side, **({"longest_edge": side} if "longest_edge" in usual else {})}
    resize = {"do_resize": False} if "Levit" in kind.__name__ else {}
    return kind(size=size, do_center_crop=False, crop_pct=1.0, **resize)


def by_hand(folder, processor, images):
    model = tf.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    if hasattr(model.config, "mask_ratio"):
        model.config.mask_ratio = 0.0
    pixels = processor(images=list(images), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        out = (
            model.get_image_features(pixel_values=pixels)
            if hasattr(model, "get_image_features")
            else model(pixel_values=pixels)
        )
    if getattr(out, "pooler_output", None) is not None:
        return out.pooler_output.flatten(1).numpy()
    states = out.last_hidden_state
    return (states.mean((2, 3)) if states.ndim == 4 else states.mean(1)).numpy()


def cosine(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_of_each_kind_as_by_hand(tmp_path, name, dtype):
    side = 64 if name in LARGER else 32
    processor = processor_of(saved(tmp_path, name, dtype), side)
    processor.save_pretrained(tmp_path)
    images = pictures(side)
    made = encoder(f"hf:{tmp_path}", "image")
    features = made(images)
    assert made.side == side
    np.testing.assert_array_equal(features, encoder(f"hf:{tmp_path}", "image")(images))
    expected = by_hand(tmp_path, processor, images)
    assert np.isfinite(expected).all() and expected.std(0).max() > 1e-4 * np.abs(expected).max()
    assert cosine(features, expected).min() > 0.999


@pytest.mark.parametrize("place", ["preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"image_mean": [0.1, 0.5, 0.9], "image_std": [0.2, 0.3, 0.4]},
        {"do_normalize": False},
        {"do_rescale": False, "image_mean": [120.0] * 3, "image_std": [60.0] * 3},
        {"do_rescale": False, "do_normalize": False},
        {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
    ],
)
def test_each_setting_of_the_processor_is_honoured_in_either_file(tmp_path, change, place):
    saved(tmp_path, "ViTConfig")
    processor = tf.ViTImageProcessorPil(size={"height": 32, "width": 32}, **change)
    settings = processor.to_dict()
    (tmp_path / place).write_text(json.dumps(settings if place.startswith("pre") else {"image_processor": settings}))
    images = pictures(32)
    made = encoder(f"hf:{tmp_path}", "image")
    assert made.notes == ()
    assert cosine(made(images), by_hand(tmp_path, processor, images)).min() > 0.99999


def test_a_picture_of_another_size_is_resampled_as_the_processor_does(tmp_path):
    saved(tmp_path, "ViTConfig")
    names = []
    for resample in (0, 2, 3):
        processor = tf.ViTImageProcessorPil(size={"height": 32, "width": 32}, resample=resample)
        processor.save_pretrained(tmp_path)
        made = encoder(f"hf:{tmp_path}", "image")
        images = pictures(64)
        features = encode(images, made, tmp_path / f"features-{resample}", key="").features
        assert cosine(np.float32(features), by_hand(tmp_path, processor, images)).min() > 0.9999
        names.append(made.name)
    assert len(set(names)) == 3


def test_new_settings_of_the_processor_change_the_name(tmp_path):
    saved(tmp_path, "ViTConfig")
    names = set()
    for mean in (0.5, 0.4):
        tf.ViTImageProcessorPil(size={"height": 32, "width": 32}, image_mean=[mean] * 3).save_pretrained(tmp_path)
        names.add(encoder(f"hf:{tmp_path}", "image").name)
    assert len(names) == 2


def test_without_a_processor_a_note_says_what_is_assumed(tmp_path):
    saved(tmp_path, "ViTConfig")
    made = encoder(f"hf:{tmp_path}", "image")
    [note] = made.notes
    assert "mean 0.5" in note and "deviation 0.5" in note and "no image processor" in note
    processor = tf.ViTImageProcessorPil(size={"height": 32, "width": 32})
    assert cosine(made(pictures(32)), by_hand(tmp_path, processor, pictures(32))).min() > 0.99999


def test_steps_that_are_not_applied_are_noted(tmp_path):
    saved(tmp_path, "CLIPVisionConfig")
    settings = {"crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 40}, "do_split_image": True}
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "CLIPImageProcessor", **settings})
    )
    made = encoder(f"hf:{tmp_path}", "image")
    assert made.side == 32
    assert any("cuts out the centre" in note for note in made.notes)
    assert any("do_split_image" in note for note in made.notes)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"image_mean": [1, 2]}, "image_mean"),
        ({"image_std": [0, 1, 1]}, "image_std"),
        ({"rescale_factor": "x"}, "factor"),
    ],
)
def test_invalid_settings_are_refused_with_a_message(tmp_path, settings, word):
    saved(tmp_path, "ViTConfig")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=word):
        encoder(f"hf:{tmp_path}", "image")
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read as JSON"):
        encoder(f"hf:{tmp_path}", "image")


def test_weights_that_a_classifier_is_saved_without_are_not_drawn_at_random(tmp_path):
    """ViTForImageClassification has no pooler; AutoModel would make one, another one each time."""
    torch.manual_seed(0)
    tf.ViTForImageClassification(tf.ViTConfig(**VIT)).save_pretrained(tmp_path)
    images = pictures(32)
    once, again = encoder(f"hf:{tmp_path}", "image"), encoder(f"hf:{tmp_path}", "image")
    assert once.name == again.name
    np.testing.assert_array_equal(once(images), again(images))


def test_a_model_with_missing_weights_is_refused_with_a_message(tmp_path):
    from safetensors.torch import load_file, save_file

    saved(tmp_path, "ViTConfig")
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("layernorm.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"layernorm\.weight.*random values"):
        encoder(f"hf:{tmp_path}", "image")


def test_a_side_that_works_is_named_and_other_kinds_of_models_are_refused(tmp_path):
    saved(tmp_path / "vit", "ViTConfig", "bfloat16")
    with pytest.raises(UserError, match="64 px .*give side=32"):
        encoder(f"hf:{tmp_path / 'vit'}", "image", side=64)
    tf.AutoModel.from_config(tf.BertConfig(**TEXT)).save_pretrained(tmp_path / "bert")
    with pytest.raises(UserError, match="does not encode images: BertModel cannot be called with pictures alone"):
        encoder(f"hf:{tmp_path / 'bert'}", "image")
    tf.AutoModel.from_config(tf.ViTConfig(**VIT, num_channels=1)).save_pretrained(tmp_path / "grey")
    with pytest.raises(UserError, match="1 channel"):
        encoder(f"hf:{tmp_path / 'grey'}", "image")
