"""The function of :class:`model.driving.DrivingModel`, rewritten for inference.

Same result, less work: scales and shifts of norms and of the image's colours go into the matrix
behind them, matrices that read the same input become one, two Linears in a row become one, and what
does not depend on the input is computed once. Tests hold the two side by side.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import ModelConfig
from model.driving import DrivingModel
from model.image import Normalise, to_tiles
from model.language import Llama, causal_attention
from model.vision import ImageEncoder, LLaVAnextEncoderModel, join, pool


class FusedPolicy(nn.Module):
    """Tensors in, tensors out, in four stages; the argument ``route`` is ``target_point`` or, when
    ``route_as`` is ``image``, ``map_route``. The model that it is made from stays as it is.
    """

    @torch.no_grad()
    def __init__(self, model: DrivingModel) -> None:
        super().__init__()
        model = copy.deepcopy(model).eval().cpu().float()
        self.seeing = (
            FusedVision(model.vision_model, model.language_projection)
            if type(model.vision_model) is LLaVAnextEncoderModel
            else PlainVision(model.vision_model, model.language_projection, model.config)
        )
        self.context = model.context
        self.thinking = FusedLlama(model.language_model, model.driving_adaptor.queries(1))
        self.driving_adaptor = model.driving_adaptor
        self.requires_grad_(False).eval()

    def place(self, device: torch.device, dtype: torch.dtype) -> FusedPolicy:
        """Move to ``device``; vision and Llama to ``dtype``, all else stays float32."""
        self.to(device)
        self.seeing.to(dtype)
        self.thinking.to(dtype)
        return self

    def forward(
        self,
        camera_images: UInt8[Tensor, "batch time cameras 3 rows columns"],
        vehicle_speed: Float[Tensor, "batch history"],
        route: Tensor,
    ) -> tuple[Tensor, ...]:
        """``speed_wps`` and, with a route head, ``route``."""
        vision = self.vision(self.images(camera_images))
        return self.head(self.language(vision, vehicle_speed, route))

    def images(self, camera_images: Tensor) -> Tensor:
        return self.seeing.prepare(camera_images)

    def vision(self, patches: Tensor) -> Tensor:
        tokens: Tensor = self.seeing(patches)
        return tokens

    def language(self, vision: Tensor, vehicle_speed: Tensor, route: Tensor) -> Tensor:
        features: Tensor = self.thinking(vision, self.context.encode(vehicle_speed, route))
        return features

    def head(self, features: Tensor) -> tuple[Tensor, ...]:
        output = self.driving_adaptor(features)
        return (output.speed_wps,) if output.route is None else tuple(output)


class PlainVision(nn.Module):
    """An encoder as it is, for those that have nothing to fold; the rig's matrices are built in."""

    def __init__(
        self, encoder: ImageEncoder, language_projection: nn.Module, config: ModelConfig
    ) -> None:
        super().__init__()
        cameras = config.cameras
        self.intrinsics = constant(stacked([camera.intrinsics() for camera in cameras]))
        self.extrinsics = constant(stacked([camera.extrinsics() for camera in cameras]))
        self.encoder = encoder
        self.language_projection = language_projection

    def prepare(self, camera_images: Tensor) -> Tensor:
        return self.encoder.prepare(camera_images)

    def forward(self, tiles: Tensor) -> Tensor:
        matrices = self.intrinsics, self.extrinsics
        tokens: Tensor = self.language_projection(self.encoder(tiles, *matrices))
        return tokens


class FusedVision(nn.Module):
    """LLaVA-NeXT's vision half, from patches of grey levels to tokens of the language's width."""

    def __init__(self, encoder: LLaVAnextEncoderModel, language_projection: nn.Module) -> None:
        super().__init__()
        self.layout, self.factor, self.side = encoder.layout, encoder.factor, encoder.side
        tower, projector = encoder.tower, encoder.projector
        self.patch_px = encoder.patch_px
        embeddings = tower.embeddings
        weight, shift = fold_colours(embeddings.patch_embedding.weight, encoder.normalise)
        self.embed = Affine(weight, None)
        positions = embeddings.position_embedding.weight.clone()
        positions[0] += embeddings.class_embedding
        positions[1:] += shift
        self.positions = constant(positions)
        self.first_norm = tower.pre_layrnorm
        self.layers = nn.ModuleList(FusedVisionLayer(layer) for layer in tower.encoder.layers)
        self.widen, self.act = merge([projector.linear_1], None, None), projector.act
        outer, narrow = nn.Sequential(encoder.projection, language_projection), projector.linear_2
        outer_weight, outer_bias = matrix_of(outer, encoder.projection.in_features)
        self.narrow = Affine(outer_weight @ narrow.weight, outer_weight @ narrow.bias + outer_bias)
        self.newline = constant(encoder.image_newline @ outer_weight.T + outer_bias)
        encodings = encoder.temporal_encoding + encoder.camera_encoding
        self.encodings = constant(language_projection(encodings))

    def prepare(self, camera_images: Tensor) -> Tensor:
        """Patches (tiles, patches, colours x rows x columns) of grey levels 0..255."""
        tiles = to_tiles(camera_images.flatten(0, 2), self.layout)
        side, size = self.side, self.patch_px
        patches = tiles.reshape(-1, 3, side, size, side, size).permute(0, 2, 4, 1, 3, 5)
        return patches.reshape(-1, side * side, 3 * size * size).to(self.positions.dtype)

    def forward(self, patches: Tensor) -> Tensor:
        hidden = F.pad(self.embed(patches), (0, 0, 1, 0)) + self.positions
        hidden = self.first_norm(hidden)
        for layer in self.layers:
            hidden = layer(hidden)
        hidden = hidden[:, 1:].reshape(
            -1, self.layout.tiles, self.side, self.side, hidden.shape[-1]
        )
        grid = self.project(join(hidden[:, int(self.layout.global_tile) :], self.layout))
        newline = self.newline.expand(*grid.shape[:2], 1, -1)
        tokens = torch.cat([grid, newline], dim=2).flatten(1, 2)
        if self.layout.global_tile:
            tokens = torch.cat([self.project(hidden[:, 0]).flatten(1, 2), tokens], dim=1)
        tokens = tokens.reshape(-1, *self.encodings.shape[1:3], *tokens.shape[1:])
        return (tokens + self.encodings).flatten(1, 3)

    def project(self, grid: Tensor) -> Tensor:
        projected: Tensor = self.narrow(pool(self.act(self.widen(grid)), self.factor))
        return projected


class FusedVisionLayer(nn.Module):
    """One layer of the CLIP tower."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        part = cast(Any, layer)
        attention, mlp = part.self_attn, part.mlp
        self.heads = attention.num_heads
        self.eps = part.layer_norm1.eps
        inputs = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.qkv = merge(inputs, part.layer_norm1.weight, part.layer_norm1.bias)
        self.out = merge([attention.out_proj], None, None)
        self.up = merge([mlp.fc1], part.layer_norm2.weight, part.layer_norm2.bias)
        self.act, self.down = mlp.activation_fn, merge([mlp.fc2], None, None)

    def forward(self, hidden: Tensor) -> Tensor:
        batch, tokens, size = hidden.shape
        qkv = self.qkv(F.layer_norm(hidden, (size,), eps=self.eps))
        query, key, value = qkv.reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        hidden = hidden + self.out(mixed.transpose(1, 2).flatten(2))
        wide = self.act(self.up(F.layer_norm(hidden, (size,), eps=self.eps)))
        carried: Tensor = hidden + self.down(wide)
        return carried


class FusedLlama(nn.Module):
    """The language model with the queries that end every sequence built in."""

    def __init__(self, llama: Llama, queries: Tensor) -> None:
        super().__init__()
        self.queries = constant(queries)
        self.cos = constant(llama.cos.unsqueeze(2))
        half = llama.head_size // 2
        self.signed_sin = constant(
            torch.cat([-llama.sin[..., :half], llama.sin[..., half:]], dim=-1).unsqueeze(2)
        )
        self.layers = nn.ModuleList(
            FusedDecoderLayer(layer, llama.head_size) for layer in llama.model.layers
        )
        self.norm = llama.model.norm

    def forward(self, vision: Tensor, context: Tensor) -> Tensor:
        batch, outputs = vision.shape[0], self.queries.shape[1]
        sequence = [vision, context.to(vision.dtype), self.queries.expand(batch, -1, -1)]
        hidden = torch.cat(sequence, dim=1)
        *first, last = self.layers
        for layer in first:
            hidden = layer(hidden, self.cos, self.signed_sin, hidden.shape[1])
        features: Tensor = self.norm(last(hidden, self.cos, self.signed_sin, outputs))
        return features


class FusedDecoderLayer(nn.Module):
    """One Llama layer; of its outputs only the last few are computed."""

    def __init__(self, layer: nn.Module, head_size: int) -> None:
        super().__init__()
        part = cast(Any, layer)
        attention, mlp = part.self_attn, part.mlp
        self.head_size = head_size
        self.eps = part.input_layernorm.variance_epsilon
        scale = part.input_layernorm.weight
        self.query = merge([attention.q_proj], scale, None)
        self.key_value = merge([attention.k_proj, attention.v_proj], scale, None)
        self.out = merge([attention.o_proj], None, None)
        self.gate_up = merge(
            [mlp.gate_proj, mlp.up_proj], part.post_attention_layernorm.weight, None
        )
        self.down = merge([mlp.down_proj], None, None)

    def forward(self, hidden: Tensor, cos: Tensor, signed_sin: Tensor, outputs: int) -> Tensor:
        tokens, size = hidden.shape[1:]
        normed = F.rms_norm(hidden, (size,), eps=self.eps)
        kept = slice(tokens - outputs, tokens)
        query = self.heads(self.query(normed[:, kept]))
        key, value = self.key_value(normed).chunk(2, dim=-1)
        mixed = causal_attention(
            self.rotate(query, cos[:, kept], signed_sin[:, kept]).transpose(1, 2),
            self.rotate(self.heads(key), cos, signed_sin).transpose(1, 2),
            self.heads(value).transpose(1, 2),
        )
        hidden = hidden[:, kept] + self.out(mixed.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(F.rms_norm(hidden, (size,), eps=self.eps)).chunk(2, dim=-1)
        carried: Tensor = hidden + self.down(F.silu(gate) * up)
        return carried

    def heads(self, projected: Tensor) -> Tensor:
        return projected.reshape(*projected.shape[:2], -1, self.head_size)

    def rotate(self, x: Tensor, cos: Tensor, signed_sin: Tensor) -> Tensor:
        """Rotary position encoding; a roll by half a head swaps the two halves of each pair."""
        return torch.addcmul(x * cos, x.roll(self.head_size // 2, -1), signed_sin)


class Affine(nn.Module):
    """A Linear that stores its matrix inputs first: a CPU multiplies a tenth faster that way."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """Copies ``weight`` (outputs, inputs) and ``bias`` (outputs,)."""
        super().__init__()
        self.weight = nn.Parameter(weight.detach().T.contiguous(), requires_grad=False)
        self.bias = None if bias is None else constant(bias)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        product = flat @ self.weight if self.bias is None else self.bias.addmm(flat, self.weight)
        return product.reshape(*x.shape[:-1], -1)


def merge(modules: Sequence[nn.Module], scale: Tensor | None, shift: Tensor | None) -> Affine:
    """One matrix for several that read the same norm's output, its scale and shift fused in."""
    pairs = [matrix_of(module, cast(int, module.in_features)) for module in modules]
    weight, bias = torch.cat([w for w, _ in pairs]), torch.cat([b for _, b in pairs])
    if shift is not None:
        bias = bias + weight @ shift
    if scale is not None:
        weight = weight * scale
    return Affine(weight, bias if bool(bias.any()) else None)


def matrix_of(module: nn.Module, inputs: int) -> tuple[Tensor, Tensor]:
    """Weight and bias of any affine map, a Linear with a low-rank adapter for instance."""
    if isinstance(module, nn.Linear) and type(module) is nn.Linear:
        bias = module.bias if module.bias is not None else torch.zeros(module.out_features)
        return module.weight, bias
    bias = module(torch.zeros(1, inputs))[0]
    return (module(torch.eye(inputs)) - bias).T.contiguous(), bias


def fold_colours(weight: Tensor, normalise: Normalise) -> tuple[Tensor, Tensor]:
    """Patch embedding of grey levels: weight (width, pixels) and what the mean colour adds."""
    scaled = (weight * normalise.scale).flatten(1)
    return scaled, (weight * normalise.shift).sum((1, 2, 3))


def stacked(matrices: Sequence[NDArray[np.float32]]) -> Tensor:
    """One matrix per camera as a batch of one."""
    return torch.from_numpy(np.stack(matrices))[None]


def constant(tensor: Tensor) -> nn.Parameter:
    """A tensor that moves and changes type with its module and is never trained."""
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)
