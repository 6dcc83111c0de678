"""`hf:DIR` on tiny models with random weights, saved by the test."""

import json

import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.encode import encoder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16
    )
    transformers.ViTModel(config).eval().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.4] * 3, "image_std": [0.2] * 3, "size": {"height": 32, "width": 32}})
    )
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertModel(config).eval().save_pretrained(folder)
    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"[PAD]": 0, "[UNK]": 1, "red": 2, "green": 3}, unk_token="[UNK]")
    )
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(
        folder
    )
    return folder


def test_images(vit):
    made = encoder(f"hf:{vit}", "image")
    assert (made.side, made.width) == (32, 16)
    model = transformers.ViTModel.from_pretrained(vit).eval()
    with torch.no_grad():
        expected = model(
            pixel_values=((torch.from_numpy(PICTURES).float() / 255 - 0.4) / 0.2).permute(0, 3, 1, 2)
        ).pooler_output.numpy()
    assert np.allclose(made(PICTURES), expected, atol=1e-4)


def test_texts_do_not_depend_on_their_padding(bert):
    made = encoder(f"hf:{bert}", "text")
    together, alone = made(["red", "red green green red"]), made(["red"])
    assert made.width == 16 and np.allclose(together[0], alone[0], atol=1e-4)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_long_texts_are_read_in_parts(bert):
    made = encoder(f"hf:{bert}", "text")
    red, mixed = "red " * 1500, "red " * 1000 + "green " * 400
    features, parts = made.read([red, mixed, "red green", "green"])
    assert parts.tolist() == [3, 3, 1, 1]
    np.testing.assert_allclose(features[2:], made(["red green", "green"]), atol=1e-5)
    np.testing.assert_allclose(features[0], made(["red " * 500])[0], atol=0.2)
    assert features[1] @ features[3] > features[0] @ features[3] + 0.02
    many = made.read(["red " * 512 * 40])[1]
    assert many[0] >= 40


def test_the_name_follows_the_weights_not_the_folder(vit, tmp_path):
    before = encoder(f"hf:{vit}", "image").name
    torch.manual_seed(1)
    transformers.ViTModel(transformers.ViTConfig.from_pretrained(vit)).save_pretrained(tmp_path)
    assert encoder(f"hf:{tmp_path}", "image").name != before == encoder(f"hf:{vit}", "image").name


def test_a_folder_without_a_model_is_refused_with_a_message(tmp_path):
    with pytest.raises(UserError, match="transformers cannot load"):
        encoder(f"hf:{tmp_path}", "image")


def test_a_wrong_side_and_a_model_of_another_kind_are_refused(vit, bert):
    with pytest.raises(UserError, match="cannot take images of 64 px"):
        encoder(f"hf:{vit}", "image", side=64)
    with pytest.raises(UserError, match="does not encode images"):
        encoder(f"hf:{bert}", "image")
    with pytest.raises(UserError, match="no tokenizer"):
        encoder(f"hf:{vit}", "text")
