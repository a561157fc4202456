"""Camera images into tokens: LLaVA-NeXT's vision half, or a ResNet-34.

Only what is used is built: no language model, no layer of the tower behind the one whose features
are read, no second Linear on features that pooling is about to average (it commutes with a mean).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlavaNextConfig,
    ResNetConfig,
    ResNetModel,
)
from transformers.activations import ACT2FN
from transformers.models.llava_next.modeling_llava_next import LlavaNextMultiModalProjector

from model.config import ModelConfig, VisionConfig
from model.image import CLIP_MEAN_STD, IMAGENET_MEAN_STD, Normalise, to_tiles
from model.strict_json import require
from model.tiles import TileLayout, kept_rows, layout_for

ENCODING_STD = 0.02
RESNET34_WIDTHS = (64, 128, 256, 512)
RESNET34_DEPTHS = (3, 4, 6, 3)


class ImageEncoder(nn.Module):
    """What both encoders share: a projection, and encodings of the moment and of the camera.

    A subclass has ``prepare`` (uint8 images to the tower's input, nothing learned) and
    ``features`` (that input to (images, tokens, width)).
    """

    def __init__(self, config: ModelConfig, feature_size: int) -> None:
        super().__init__()
        self.moments, self.cameras = config.hist_len, len(config.cameras)
        self.token_size = config.vision.token_size
        size = self.token_size
        self.projection = nn.Linear(feature_size, size)
        self.temporal_encoding = nn.Parameter(
            ENCODING_STD * torch.randn(1, self.moments, 1, 1, size)
        )
        self.camera_encoding = nn.Parameter(ENCODING_STD * torch.randn(1, 1, self.cameras, 1, size))

    @property
    def tokens_per_image(self) -> int:
        raise NotImplementedError

    def prepare(
        self, camera_images: UInt8[Tensor, "batch time cameras 3 rows columns"]
    ) -> Float[Tensor, "tiles 3 tile_rows tile_columns"]:
        raise NotImplementedError

    def features(
        self, tiles: Float[Tensor, "tiles 3 tile_rows tile_columns"]
    ) -> Float[Tensor, "images tokens width"]:
        raise NotImplementedError

    def forward(
        self,
        tiles: Float[Tensor, "tiles 3 tile_rows tile_columns"],
        camera_intrinsics: Float[Tensor, "#batch cameras 3 3"],
        camera_extrinsics: Float[Tensor, "#batch cameras 4 4"],
    ) -> Float[Tensor, "batch tokens width"]:
        """Tokens in the order time, camera, row, column.

        The cameras' matrices are there for encoders that use them; those that exist know a camera
        by its place in the rig.
        """
        tokens = self.features(tiles.to(self.camera_encoding.dtype))
        tokens = tokens.reshape(-1, self.moments, self.cameras, *tokens.shape[1:])
        return (tokens + self.temporal_encoding + self.camera_encoding).flatten(1, 3)

    def freeze(self) -> None:
        """Stop training the tower; the projection and the encodings go on learning."""
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        for parameter in self.projection.parameters():
            parameter.requires_grad_(True)
        self.temporal_encoding.requires_grad_(True)
        self.camera_encoding.requires_grad_(True)


class LLaVAnextEncoderModel(ImageEncoder):
    """CLIP tower, multi-modal projector and ``image_newline`` of LLaVA-NeXT.

    With the factor 2 a 1024x512 image, bonnet cut off, becomes 8 rows of 24 tokens, each row
    ended by the newline token: 200 tokens.
    """

    def __init__(self, config: ModelConfig) -> None:
        vision = config.vision
        require(vision.activation in ACT2FN, "vision.activation", "one of transformers'", vision)
        super().__init__(config, vision.projector_size)
        self.layout = layout_for(config)
        self.factor = vision.downsample_feature_grid_factor or 1
        self.patch_px = vision.patch_px
        self.side = vision.tile_px // vision.patch_px
        self.normalise = Normalise(CLIP_MEAN_STD)
        self.tower = CLIPVisionModel(clip_config(vision))
        # The norm behind the last layer serves only the pooled class token, which nobody reads.
        self.tower.register_module("post_layernorm", nn.Identity())
        self.projector = LlavaNextMultiModalProjector(llava_config(vision))
        std = 1.0 / math.sqrt(vision.projector_size)
        self.image_newline = nn.Parameter(std * torch.randn(vision.projector_size))
        if vision.freeze:
            self.freeze()

    @property
    def tokens_per_image(self) -> int:
        rows, columns = self.layout.unpadded_size
        tokens = (rows // self.factor) * (columns // self.factor + 1)
        return tokens + int(self.layout.global_tile) * (self.side // self.factor) ** 2

    def prepare(
        self, camera_images: UInt8[Tensor, "batch time cameras 3 rows columns"]
    ) -> Float[Tensor, "tiles 3 tile tile"]:
        tiles: Tensor = self.normalise(to_tiles(camera_images.flatten(0, 2), self.layout))
        return tiles

    def features(
        self, tiles: Float[Tensor, "tiles 3 tile tile"]
    ) -> Float[Tensor, "images tokens width"]:
        patches = self.tower(tiles).last_hidden_state[:, 1:]
        patches = patches.reshape(-1, self.layout.tiles, self.side, self.side, patches.shape[-1])
        grid = self.project(join(patches[:, int(self.layout.global_tile) :], self.layout))
        newline = self.projection(self.image_newline).expand(*grid.shape[:2], 1, -1)
        tokens = torch.cat([grid, newline], dim=2).flatten(1, 2)
        if self.layout.global_tile:
            overview = self.project(patches[:, 0]).flatten(1, 2)
            tokens = torch.cat([overview, tokens], dim=1)
        return tokens

    def project(
        self, grid: Float[Tensor, "images rows columns width"]
    ) -> Float[Tensor, "images pooled_rows pooled_columns token_width"]:
        """The projector and the projection. Pooling sits between the projector's two Linears.

        LLaVA-NeXT pools behind the second one, but a mean and a Linear commute: the result is the
        same and the second Linear has a quarter of the work.
        """
        grid = self.projector.act(self.projector.linear_1(grid))
        projected: Tensor = self.projection(self.projector.linear_2(pool(grid, self.factor)))
        return projected


class ResnetEncoderModel(ImageEncoder):
    """A ResNet-34 over each whole image; one token for every 32x32 pixels."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, RESNET34_WIDTHS[-1])
        self.rows: int = kept_rows(config)
        self.columns = config.cameras[0].width_px
        self.normalise = Normalise(IMAGENET_MEAN_STD)
        self.tower = ResNetModel(
            ResNetConfig(
                embedding_size=RESNET34_WIDTHS[0],
                hidden_sizes=list(RESNET34_WIDTHS),
                depths=list(RESNET34_DEPTHS),
                layer_type="basic",
            )
        )
        self.frozen = config.vision.freeze
        if self.frozen:
            self.freeze()

    @property
    def tokens_per_image(self) -> int:
        return math.ceil(self.rows / 32) * math.ceil(self.columns / 32)

    def train(self, mode: bool = True) -> ResnetEncoderModel:
        """As usual, but a frozen tower's batch norms keep the statistics they came with."""
        super().train(mode)
        if self.frozen:
            self.tower.train(False)
        return self

    def prepare(
        self, camera_images: UInt8[Tensor, "batch time cameras 3 rows columns"]
    ) -> Float[Tensor, "images 3 rows columns"]:
        images: Tensor = self.normalise(camera_images.flatten(0, 2)[:, :, : self.rows])
        return images

    def features(
        self, tiles: Float[Tensor, "images 3 rows columns"]
    ) -> Float[Tensor, "images tokens width"]:
        grid = self.tower(tiles).last_hidden_state
        projected: Tensor = self.projection(grid.flatten(2).transpose(1, 2))
        return projected


def build_image_encoder(config: ModelConfig) -> ImageEncoder:
    """The encoder that ``config.vision.encoder`` names."""
    encoders = {"llava": LLaVAnextEncoderModel, "resnet34": ResnetEncoderModel}
    return encoders[config.vision.encoder](config)


def join(
    patches: Float[Tensor, "images tiles side side width"], layout: TileLayout
) -> Float[Tensor, "images rows columns width"]:
    """Put the grids of an image's tiles side by side and drop what saw only padding."""
    (rows, columns), side, width = layout.grid, patches.shape[2], patches.shape[4]
    grid = patches.reshape(-1, rows, columns, side, side, width).transpose(2, 3)
    row_slice, column_slice = layout.unpadded
    return grid.reshape(-1, rows * side, columns * side, width)[:, row_slice, column_slice]


def pool(
    grid: Float[Tensor, "images rows columns width"], factor: int
) -> Float[Tensor, "images pooled_rows pooled_columns width"]:
    """Mean over squares of ``factor`` by ``factor``; a remainder at the edge is dropped."""
    if factor == 1:
        return grid
    rows, columns, width = grid.shape[1] // factor, grid.shape[2] // factor, grid.shape[3]
    grid = grid[:, : rows * factor, : columns * factor]
    squares = grid.reshape(-1, rows, factor, columns, factor, width)
    # One axis after the other: a mean over both at once takes ten times as long on a CPU.
    return squares.mean(4).mean(2)


def clip_config(vision: VisionConfig) -> CLIPVisionConfig:
    """The tower, built only as deep as the features that are read from it."""
    return CLIPVisionConfig(
        hidden_size=vision.hidden_size,
        intermediate_size=vision.mlp_size,
        num_hidden_layers=vision.layers + 1 + vision.feature_layer,
        num_attention_heads=vision.heads,
        image_size=vision.tile_px,
        patch_size=vision.patch_px,
        hidden_act=vision.activation,
    )


def llava_config(vision: VisionConfig) -> LlavaNextConfig:
    """What LLaVA-NeXT's projector reads from its configuration."""
    return LlavaNextConfig(
        vision_config=clip_config(vision),
        text_config={
            "model_type": "llama",
            "hidden_size": vision.projector_size,
            "num_attention_heads": 1,
        },
    )
