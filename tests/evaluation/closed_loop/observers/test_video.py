"""What is written is what was drawn."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from evaluation.closed_loop.observers.video import _VideoFile


def test_a_video_shows_the_colours_that_were_drawn(tmp_path: Path) -> None:
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    image[:24, :32], image[:24, 32:], image[24:, :32] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    file = _VideoFile(tmp_path / "drive.mp4", (64, 48), 10)
    for _ in range(5):
        file.write(image)
    file.close()
    with av.open(str(tmp_path / "drive.mp4")) as container:
        seen = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(seen) == 5
    for top, left in ((8, 8), (8, 40), (32, 8), (32, 40)):
        part = slice(top, top + 8), slice(left, left + 16)
        assert np.abs(seen[-1][part].astype(int) - image[part]).mean() < 8.0
