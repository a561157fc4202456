"""How a camera image is cut into square tiles, and where its features lie afterwards.

LLaVA-NeXT's any-resolution scheme: the image is resized, aspect kept, into the best of a few
canvases, padded with black, and cut into tiles of the vision tower's size. The tower's grids are
joined again and the rows or columns that saw nothing but padding are dropped. Everything here
depends on sizes alone, so it is integer arithmetic done once when a model is built.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from model.config import ModelConfig, VisionConfig


@dataclass(frozen=True)
class TileLayout:
    """Sizes in pixels are (rows, columns); ``features`` is the joined grid of patch features."""

    kept_px: tuple[int, int]
    resized_px: tuple[int, int]
    canvas_px: tuple[int, int]
    tile_px: int
    features: tuple[int, int]
    global_tile: bool

    @property
    def padding_px(self) -> tuple[int, int, int, int]:
        """Black pixels at the left, right, top and bottom, in the order of ``torch.nn.pad``."""
        spare_rows = self.canvas_px[0] - self.resized_px[0]
        spare_columns = self.canvas_px[1] - self.resized_px[1]
        left, top = spare_columns // 2, spare_rows // 2
        return left, spare_columns - left, top, spare_rows - top

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles in rows and columns, the global one not counted."""
        return self.canvas_px[0] // self.tile_px, self.canvas_px[1] // self.tile_px

    @property
    def tiles(self) -> int:
        """Tiles of one image, the global one included."""
        return self.grid[0] * self.grid[1] + int(self.global_tile)

    @property
    def unpadded(self) -> tuple[slice, slice]:
        """Rows and columns of ``features`` that saw the image.

        The rounding is that of LLaVA-NeXT, which measures the padding on the feature grid.
        """
        rows, columns = self.features
        kept_rows, kept_columns = self.kept_px
        if kept_columns * rows > columns * kept_rows:
            used = int(round(kept_rows * (columns / kept_columns), 7))
            margin = (rows - used) // 2
            return slice(margin, rows - margin), slice(0, columns)
        used = int(round(kept_columns * (rows / kept_rows), 7))
        margin = (columns - used) // 2
        return slice(0, rows), slice(margin, columns - margin)

    @property
    def unpadded_size(self) -> tuple[int, int]:
        """Rows and columns that ``unpadded`` leaves."""
        rows, columns = self.unpadded
        return rows.stop - rows.start, columns.stop - columns.start


def layout_for(config: ModelConfig) -> TileLayout:
    """The layout of every camera's image (all cameras of a model share one size)."""
    vision = config.vision
    kept_px = (kept_rows(config), config.cameras[0].width_px)
    canvas_px = best_canvas(kept_px, vision)
    scale_rows, scale_columns = canvas_px[0] / kept_px[0], canvas_px[1] / kept_px[1]
    if scale_columns < scale_rows:
        resized_px = (min(math.ceil(kept_px[0] * scale_columns), canvas_px[0]), canvas_px[1])
    else:
        resized_px = (canvas_px[0], min(math.ceil(kept_px[1] * scale_rows), canvas_px[1]))
    return TileLayout(
        kept_px=kept_px,
        resized_px=resized_px,
        canvas_px=canvas_px,
        tile_px=vision.tile_px,
        features=(canvas_px[0] // vision.patch_px, canvas_px[1] // vision.patch_px),
        global_tile=vision.use_global_img,
    )


def kept_rows(config: ModelConfig) -> int:
    """Rows left after the bonnet is cut off (SimLingo cuts 4.8 sixteenths)."""
    rows = config.cameras[0].height_px
    return int(rows - (rows * 4.8) // 16) if config.cut_bottom_quarter else rows


def best_canvas(image_px: tuple[int, int], vision: VisionConfig) -> tuple[int, int]:
    """The canvas that keeps most of the image's pixels and, among equals, wastes least."""

    def merit(canvas_px: tuple[int, int]) -> tuple[int, int]:
        scale = min(canvas_px[0] / image_px[0], canvas_px[1] / image_px[1])
        used = int(image_px[0] * scale) * int(image_px[1] * scale)
        effective = min(used, image_px[0] * image_px[1])
        return effective, effective - canvas_px[0] * canvas_px[1]

    return max(vision.grid_pinpoints, key=merit)
