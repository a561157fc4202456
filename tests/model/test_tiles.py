import dataclasses

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.image_processing_utils import select_best_resolution
from transformers.models.llava_next.modeling_llava_next import unpad_image

from model.config import BASE, DEBUG, NANO, ModelConfig
from model.tiles import best_canvas, kept_rows, layout_for
from tests.examples import examples
from tests.model.samples import variant

PINPOINTS = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))


def sized(width_px: int, height_px: int, pinpoints: tuple[tuple[int, int], ...]) -> ModelConfig:
    camera = dataclasses.replace(DEBUG.cameras[0], width_px=width_px, height_px=height_px)
    vision = {"tile_px": 336, "patch_px": 14, "grid_pinpoints": pinpoints}
    return variant(vision=vision, cameras=(camera,))


def test_base_layout_is_the_published_one() -> None:
    layout = layout_for(BASE)
    assert layout.kept_px == (359, 1024)
    assert layout.resized_px == (236, 672)
    assert layout.padding_px == (0, 0, 50, 50)
    assert layout.grid == (1, 2)
    assert layout.features == (24, 48)
    assert layout.unpadded == (slice(4, 20), slice(0, 48))


def test_nano_images_need_no_resizing_and_no_padding() -> None:
    layout = layout_for(NANO)
    assert layout.kept_px == layout.resized_px == layout.canvas_px == (96, 192)
    assert layout.unpadded_size == layout.features == (6, 12)


@examples(50)
@given(st.integers(32, 2048), st.integers(32, 2048))
def test_canvas_is_the_one_that_transformers_selects(width_px: int, height_px: int) -> None:
    config = sized(width_px, height_px, PINPOINTS)
    expected = select_best_resolution((height_px, width_px), [list(p) for p in PINPOINTS])
    assert best_canvas((height_px, width_px), config.vision) == tuple(expected)


@examples(50)
@given(st.integers(32, 2048), st.integers(32, 2048))
def test_unpadding_is_that_of_transformers(width_px: int, height_px: int) -> None:
    layout = layout_for(sized(width_px, height_px, PINPOINTS))
    grid = torch.arange(layout.features[0] * layout.features[1]).view(1, *layout.features)
    expected = unpad_image(grid, (height_px, width_px))
    rows, columns = layout.unpadded
    assert torch.equal(grid[:, rows, columns], expected)


def test_cutting_the_bonnet_keeps_whole_pixels() -> None:
    assert kept_rows(BASE) == 359
    assert kept_rows(NANO) == 96
