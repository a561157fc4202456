"""A Llama decoder that reads embeddings and has no words."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaModel
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, apply_rotary_pos_emb

from model.config import ConfigError, LanguageConfig

LORA_RANK, LORA_ALPHA, LORA_DROPOUT = 16, 32, 0.1


class Llama(nn.Module):
    """Causal transformer over a sequence of fixed length; weights and names of ``LlamaModel``.

    Its layers are called here rather than by ``LlamaModel.forward`` for two reasons: that one looks
    at the data to choose a mask (a GPU waits for it in every tick), and it computes outputs of the
    last layer that nobody reads.
    """

    def __init__(self, config: LanguageConfig, sequence_length: int) -> None:
        super().__init__()
        llama = LlamaModel(
            LlamaConfig(
                vocab_size=1,
                hidden_size=config.hidden_size,
                intermediate_size=config.mlp_size,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                max_position_embeddings=sequence_length,
                use_cache=False,
                pad_token_id=None,
                bos_token_id=None,
                eos_token_id=None,
            )
        )
        llama.register_module("embed_tokens", None)
        self.head_size = config.hidden_size // config.heads
        cos, sin = llama.rotary_emb(torch.zeros(1), torch.arange(sequence_length).unsqueeze(0))
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.model = llama
        if config.lora:
            add_lora(llama)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights, and so of the embeddings that it takes."""
        return self.model.norm.weight.dtype

    def forward(
        self, embeddings: Float[Tensor, "batch tokens width"], outputs: int
    ) -> Float[Tensor, "batch outputs width"]:
        """Final hidden states of the last ``outputs`` tokens."""
        hidden = embeddings.to(self.dtype)
        *first, last = cast("list[LlamaDecoderLayer]", list(self.model.layers))
        for layer in first:
            hidden = self.decode(layer, hidden, hidden.shape[1])
        normed: Tensor = self.model.norm(self.decode(last, hidden, outputs))
        return normed

    def decode(
        self, layer: LlamaDecoderLayer, hidden: Float[Tensor, "batch tokens width"], outputs: int
    ) -> Float[Tensor, "batch outputs width"]:
        """One layer. All tokens are attended to; only the last ``outputs`` are carried on."""
        tokens = hidden.shape[1]
        normed = layer.input_layernorm(hidden)
        attention, kept = layer.self_attn, normed[:, tokens - outputs :]
        query, key, value = (
            projected.reshape(*projected.shape[:2], -1, self.head_size).transpose(1, 2)
            for projected in (
                attention.q_proj(kept),
                attention.k_proj(normed),
                attention.v_proj(normed),
            )
        )
        cos, sin = self.cos[:, :tokens].to(query.dtype), self.sin[:, :tokens].to(query.dtype)
        _, key = apply_rotary_pos_emb(key, key, cos, sin)
        query, _ = apply_rotary_pos_emb(query, query, cos[:, -outputs:], sin[:, -outputs:])
        mixed = causal_attention(query, key, value).transpose(1, 2).flatten(2)
        residual: Tensor = hidden[:, tokens - outputs :] + attention.o_proj(mixed)
        carried: Tensor = residual + layer.mlp(layer.post_attention_layernorm(residual))
        return carried


def causal_attention(
    query: Float[Tensor, "batch heads queries size"],
    key: Float[Tensor, "batch heads tokens size"],
    value: Float[Tensor, "batch heads tokens size"],
) -> Float[Tensor, "batch heads queries size"]:
    """Attention in which the queries belong to the last tokens and see none behind their own."""
    queries, tokens = query.shape[2], key.shape[2]
    if queries == tokens:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    visible = torch.ones(queries, tokens, dtype=torch.bool, device=query.device)
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=visible.tril(tokens - queries)
    )


def add_lora(model: LlamaModel) -> None:
    """Freeze ``model`` and give each of its Linears a trainable low-rank adapter.

    Raises :class:`model.config.ConfigError` without the package peft.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError(
            "language.lora: expected the package peft, found none; pip install peft"
        ) from error
    linears = {name for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    lora = LoraConfig(
        r=LORA_RANK,
        lora_alpha=LORA_ALPHA,
        lora_dropout=LORA_DROPOUT,
        target_modules=sorted({name.rpartition(".")[2] for name in linears}),
    )
    model.requires_grad_(False)
    inject_adapter_in_model(lora, model)
