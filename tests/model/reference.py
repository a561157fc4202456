"""SimLingo-Base put together from Hugging Face's own modules, the way its training code does it.

The yardstick for parity and for speed: their image processor, their whole vision tower with all
hidden states kept, their projector on every patch, their LlamaModel. Only the small encoders and
heads, which have no counterpart there, are shared with the model under test.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, LlamaConfig, LlamaModel, LlavaNextConfig
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)
from transformers.models.llava_next.modeling_llava_next import (
    LlavaNextModel,
    get_anyres_image_grid_shape,
    unpad_image,
)

from model.config import ModelConfig
from model.driving import DrivingModel
from model.tiles import kept_rows
from model.vision import LLaVAnextEncoderModel


class ReferencePipeline(nn.Module):
    """Same weights as ``model``, which must have the LLaVA encoder; batch of one."""

    def __init__(self, model: DrivingModel, *, encodings: int = 1) -> None:
        super().__init__()
        config = model.config
        self.config, self.encodings = config, encodings
        self.processor = make_processor(config)
        self.llava = make_llava(model)
        self.llama = make_llama(model)
        own = copy.deepcopy(model)
        own.vision_model.register_module("tower", nn.Identity())
        own.register_module("language_model", nn.Identity())
        self.own = own

    def preprocess(self, images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """(images, tiles, 3, rows, columns) normalised, and sizes (images, 2)."""
        cut = [image[: kept_rows(self.config)] for image in images]
        batch = self.processor(cut, return_tensors="pt")
        pixels, sizes = batch["pixel_values"], batch["image_sizes"]
        return (pixels if self.config.vision.use_global_img else pixels[:, 1:]), sizes

    def encode(self, pixels: Tensor, sizes: Tensor) -> Tensor:
        """Vision tokens (1, tokens, width) of the projection's size."""
        vision, encoder = self.config.vision, self.own.vision_model
        llava = self.llava
        weight = llava.multi_modal_projector.linear_1.weight
        states = llava.vision_tower(
            pixels.flatten(0, 1).to(weight), output_hidden_states=True
        ).hidden_states
        features = llava.multi_modal_projector(states[vision.feature_layer][:, 1:])
        features = features.unflatten(0, pixels.shape[:2])
        packed = torch.stack([self.pack(f, s) for f, s in zip(features, sizes, strict=True)])
        tokens = encoder.projection(packed)[None].unflatten(1, (self.config.hist_len, -1))
        encoded: Tensor = tokens + encoder.temporal_encoding + encoder.camera_encoding
        return encoded.flatten(1, 3)

    def pack(self, features: Tensor, size: Tensor) -> Tensor:
        """Tokens of one image out of the features (tiles, patches, width) of its tiles."""
        vision, width = self.config.vision, features.shape[-1]
        side, factor = vision.tile_px // vision.patch_px, vision.downsample_feature_grid_factor or 1
        overview = features[:1] if vision.use_global_img else features[:0]
        pinpoints = [list(point) for point in vision.grid_pinpoints]
        rows, columns = get_anyres_image_grid_shape(size, pinpoints, vision.tile_px)
        grid = features[len(overview) :].view(rows, columns, side, side, width)
        grid = grid.permute(4, 0, 2, 1, 3).flatten(1, 2).flatten(2, 3)
        grid = F.avg_pool2d(unpad_image(grid, size)[None], factor)[0]
        newline = self.llava.image_newline[:, None, None].expand(width, grid.shape[1], 1)
        tokens = torch.cat([grid, newline], dim=2).flatten(1).T
        overview = overview.view(-1, side, side, width).permute(0, 3, 1, 2)
        pooled = F.avg_pool2d(overview, factor) if len(overview) else overview
        return torch.cat([pooled.flatten(2).transpose(1, 2).reshape(-1, width), tokens])

    def forward(
        self, images: NDArray[np.uint8], speed: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        pixels, sizes = self.preprocess(images)
        for _ in range(self.encodings):
            vision = self.encode(pixels.to(speed.device), sizes)
        context = self.own.context.encode(speed, targets)
        sequence = [
            self.own.language_projection(vision),
            context.to(vision.dtype),
            self.own.driving_adaptor.queries(1).to(vision.dtype),
        ]
        hidden = self.llama(inputs_embeds=torch.cat(sequence, 1)).last_hidden_state
        output = self.own.driving_adaptor(hidden[:, -self.own.driving_adaptor.tokens :])
        return output.speed_wps, output.route


def make_processor(config: ModelConfig) -> LlavaNextImageProcessorPil:
    tile_px = config.vision.tile_px
    return LlavaNextImageProcessorPil(
        size={"shortest_edge": tile_px},
        crop_size={"height": tile_px, "width": tile_px},
        image_grid_pinpoints=[list(point) for point in config.vision.grid_pinpoints],
    )


def make_llava(model: DrivingModel) -> LlavaNextModel:
    """A whole LlavaNextModel but for its language; layers that we do not build stay random."""
    vision = model.config.vision
    llava: LlavaNextModel = LlavaNextModel(
        LlavaNextConfig(
            vision_config=CLIPVisionConfig(
                hidden_size=vision.hidden_size,
                intermediate_size=vision.mlp_size,
                num_hidden_layers=vision.layers,
                num_attention_heads=vision.heads,
                image_size=vision.tile_px,
                patch_size=vision.patch_px,
                hidden_act=vision.activation,
            ),
            text_config=LlamaConfig(
                hidden_size=vision.projector_size,
                num_attention_heads=1,
                num_hidden_layers=0,
                intermediate_size=8,
                vocab_size=8,
                bos_token_id=None,
                eos_token_id=None,
            ),
            image_grid_pinpoints=[list(point) for point in vision.grid_pinpoints],
            vision_feature_layer=vision.feature_layer,
            image_token_index=7,
        )
    ).eval()
    encoder = model.vision_model
    assert isinstance(encoder, LLaVAnextEncoderModel)
    tower = encoder.tower.state_dict()
    missing = llava.vision_tower.load_state_dict(tower, strict=False)
    assert not missing.unexpected_keys
    assert all(
        key.startswith((f"encoder.layers.{vision.layers - 1}.", "post_layernorm."))
        for key in missing.missing_keys
    )
    llava.multi_modal_projector.load_state_dict(encoder.projector.state_dict())
    with torch.no_grad():
        llava.image_newline.copy_(encoder.image_newline)
    return llava


def make_llama(model: DrivingModel) -> LlamaModel:
    language = model.config.language
    llama: LlamaModel = LlamaModel(
        LlamaConfig(
            vocab_size=1,
            hidden_size=language.hidden_size,
            intermediate_size=language.mlp_size,
            num_hidden_layers=language.layers,
            num_attention_heads=language.heads,
            use_cache=False,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).eval()
    weights = model.language_model.model.state_dict()
    missing = llama.load_state_dict(weights, strict=False)
    assert missing.missing_keys == ["embed_tokens.weight"]
    assert not missing.unexpected_keys
    return llama
