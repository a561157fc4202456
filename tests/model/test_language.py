import dataclasses
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from model.checkpoint import load_checkpoint, save_checkpoint
from model.config import DEBUG, LANGUAGE_PRESETS, ConfigError
from model.driving import DrivingModel
from model.language import Llama, causal_attention
from tests.model.reference import make_llama
from tests.model.samples import make_model


def test_states_match_hugging_face() -> None:
    model = make_model()
    theirs = make_llama(model)
    embeddings = torch.randn(2, model.sequence_length, 32)
    with torch.no_grad():
        expected = theirs(inputs_embeds=embeddings).last_hidden_state
        everything = model.language_model(embeddings, model.sequence_length)
        last = model.language_model(embeddings, 30)
    torch.testing.assert_close(everything, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(last, expected[:, -30:], atol=1e-5, rtol=1e-5)


def test_no_token_sees_a_later_one() -> None:
    llama = Llama(LANGUAGE_PRESETS["debug"], 12).eval()
    embeddings = torch.randn(1, 12, 32)
    changed = embeddings.clone()
    changed[:, 8:] = 5.0
    with torch.no_grad():
        before, after = llama(embeddings, 12), llama(changed, 12)
    assert torch.equal(before[:, :8], after[:, :8])
    assert not torch.allclose(before[:, 8:], after[:, 8:])


def test_attention_of_the_last_queries_is_that_of_all() -> None:
    query, key, value = torch.randn(3, 2, 4, 9, 8)
    everything = causal_attention(query, key, value)
    torch.testing.assert_close(causal_attention(query[:, :, 5:], key, value), everything[:, :, 5:])


def test_there_is_no_vocabulary() -> None:
    llama = Llama(LANGUAGE_PRESETS["debug"], 12)
    assert not any(isinstance(part, nn.Embedding) for part in llama.modules())


def test_lora_without_peft_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    config = dataclasses.replace(LANGUAGE_PRESETS["debug"], lora=True)
    with pytest.raises(ConfigError, match=r"language.lora: expected the package peft.*pip install"):
        Llama(config, 12)


@pytest.mark.parametrize("name", LANGUAGE_PRESETS)
def test_presets_build(name: str) -> None:
    config = dataclasses.replace(DEBUG, language=LANGUAGE_PRESETS[name])
    with torch.device("meta"):
        model = DrivingModel(config)
    layers = model.language_model.model.layers
    assert len(layers) == config.language.layers
    assert layers[0].get_parameter("mlp.up_proj.weight").shape == (
        config.language.mlp_size,
        config.language.hidden_size,
    )


def test_lora_scales_as_configured_and_survives_a_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="needs the package peft: pip install peft")
    config = dataclasses.replace(DEBUG, language=dataclasses.replace(DEBUG.language, lora=True))
    model = make_model(config)
    layer = model.language_model.model.layers[0].get_submodule("self_attn.q_proj")
    adapters = [layer.get_parameter(f"lora_{side}.default.weight") for side in "AB"]
    assert [tuple(weight.shape) for weight in adapters] == [(16, 32), (32, 16)]
    with torch.no_grad():
        adapters[1].normal_()
        x = torch.randn(3, 32)
        expected = layer.get_submodule("base_layer")(x) + 2.0 * x @ adapters[0].T @ adapters[1].T
    torch.testing.assert_close(layer(x), expected)
    save_checkpoint(model, tmp_path)
    for name, tensor in load_checkpoint(tmp_path).state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_lora_trains_only_its_adapters() -> None:
    pytest.importorskip("peft", reason="needs the package peft: pip install peft")
    config = dataclasses.replace(LANGUAGE_PRESETS["debug"], lora=True)
    llama = Llama(config, 12).train()
    llama(torch.randn(1, 12, 32), 4).sum().backward()
    trainable = {name for name, p in llama.named_parameters() if p.requires_grad}
    assert trainable
    assert all("lora_" in name for name in trainable)
    assert len(trainable) == 2 * 7 * config.layers
    assert all(p.grad is not None for p in llama.parameters() if p.requires_grad)
