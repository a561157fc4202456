import numpy as np
import pytest
import torch

from model.config import BASE, DEBUG, NANO, ModelConfig
from model.image import CLIP_MEAN_STD, Normalise, resize, to_tiles
from model.tiles import layout_for
from tests.model.reference import make_processor
from tests.model.samples import PADDED, variant

STD = torch.tensor(CLIP_MEAN_STD[1]).view(3, 1, 1)


def image_like_a_street(height_px: int, width_px: int) -> np.ndarray:
    """Smooth areas, hard edges and noise; uint8."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:height_px, :width_px]
    image = np.stack([rows * 255 / height_px, columns * 255 / width_px, rows * 0 + 80], axis=-1)
    image[(rows // 16 + columns // 24) % 3 == 0] = (240, 235, 250)
    noise = rng.integers(-20, 21, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


CONFIGS = {
    "debug": DEBUG,
    "padded": PADDED,
    "global": variant(PADDED, vision={"use_global_img": True}),
    "nano": NANO,
    "base": BASE,
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_tiles_match_the_hugging_face_processor(config: ModelConfig) -> None:
    layout = layout_for(config)
    camera = config.cameras[0]
    image = image_like_a_street(camera.height_px, camera.width_px)
    kept = image[: layout.kept_px[0]]
    expected = make_processor(config)([kept], return_tensors="pt")["pixel_values"][0]
    expected = expected if config.vision.use_global_img else expected[1:]
    tiles = to_tiles(torch.from_numpy(image).permute(2, 0, 1)[None], layout)
    ours = Normalise(CLIP_MEAN_STD)(tiles)
    assert ours.shape == expected.shape
    grey_levels = (ours - expected).abs() * STD * 255
    assert grey_levels.max() <= 2.01


def test_bytes_and_floats_are_resized_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path for GPUs and compilers against the one for CPUs."""
    image = torch.from_numpy(image_like_a_street(359, 1024)).permute(2, 0, 1)[None]
    on_cpu = resize(image, (236, 672)).float()
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    elsewhere = resize(image, (236, 672)).float()
    assert (on_cpu - elsewhere).abs().max() <= 2.0


def test_tiles_run_along_the_rows_of_each_image() -> None:
    layout = layout_for(DEBUG)
    images = torch.zeros(2, 3, 32, 64, dtype=torch.uint8)
    images[1, :, :, 32:] = 200
    tiles = to_tiles(images, layout)
    assert [int(tile.float().mean()) for tile in tiles] == [0, 0, 0, 200]
