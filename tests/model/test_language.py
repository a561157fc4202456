import dataclasses
import sys

import pytest
import torch
from torch import nn

from model.config import LANGUAGE_PRESETS
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
    with pytest.raises(ImportError, match=r"language.lora: expected the package peft.*pip install"):
        Llama(config, 12)


def test_lora_trains_only_its_adapters() -> None:
    pytest.importorskip("peft", reason="needs the optional package peft")
    config = dataclasses.replace(LANGUAGE_PRESETS["debug"], lora=True)
    llama = Llama(config, 12).train()
    llama(torch.randn(1, 12, 32), 4).sum().backward()
    trainable = {name for name, p in llama.named_parameters() if p.requires_grad}
    assert trainable
    assert all("lora_" in name for name in trainable)
    assert len(trainable) == 2 * 7 * config.layers
    assert all(p.grad is not None for p in llama.parameters() if p.requires_grad)
