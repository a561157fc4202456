"""SimLingo-Base from images to plan."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.adaptors import ContextEncoder
from model.batch import DrivingInput, DrivingOutput, check_input
from model.config import ModelConfig
from model.head import DrivingAdaptor
from model.language import Llama
from model.vision import build_image_encoder


class DrivingModel(nn.Module):
    """Vision tokens, then speed and route, then learned queries, read by a causal transformer.

    This is the model as it is trained; :class:`model.fused.FusedPolicy` computes the same for
    less at the wheel. Weights are drawn from torch's global generator: seed it first.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_model = build_image_encoder(config)
        self.language_projection: nn.Module = (
            nn.Identity()
            if config.vision.token_size == config.language.hidden_size
            else nn.Linear(config.vision.token_size, config.language.hidden_size, bias=False)
        )
        self.context = ContextEncoder(config)
        self.driving_adaptor = DrivingAdaptor(config)
        images = config.hist_len * len(config.cameras)
        vision_tokens = images * self.vision_model.tokens_per_image
        self.sequence_length = vision_tokens + self.context.tokens + self.driving_adaptor.tokens
        self.language_model = Llama(config.language, self.sequence_length)

    def forward(self, driving_input: DrivingInput) -> DrivingOutput:
        """Plan in the ego frame; raises :class:`model.batch.InputError` for an unfit input."""
        check_input(driving_input, self.config)
        tiles = self.vision_model.prepare(driving_input.camera_images)
        vision = self.see(tiles, driving_input)
        features = self.think(vision, driving_input)
        output: DrivingOutput = self.driving_adaptor(features)
        return output

    def see(
        self, tiles: Float[Tensor, "tiles 3 rows columns"], driving_input: DrivingInput
    ) -> Float[Tensor, "batch tokens width"]:
        """Prepared images to tokens of the language model's width."""
        tokens: Tensor = self.language_projection(
            self.vision_model(
                tiles, driving_input.camera_intrinsics, driving_input.camera_extrinsics
            )
        )
        return tokens

    def think(
        self, vision: Float[Tensor, "batch tokens width"], driving_input: DrivingInput
    ) -> Float[Tensor, "batch queries width"]:
        """The whole sequence through the language model; what became of the queries."""
        context = self.context(driving_input)
        queries = self.driving_adaptor.queries(vision.shape[0])
        sequence = [tokens.to(vision.dtype) for tokens in (vision, context, queries)]
        features: Tensor = self.language_model(torch.cat(sequence, 1), self.driving_adaptor.tokens)
        return features
