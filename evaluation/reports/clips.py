"""Short pieces of a drive's video around its infractions, small enough to go into a page."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av

from evaluation.reports.run_data import RunData

logger = logging.getLogger(__name__)

BEFORE_S, AFTER_S = 4.0, 2.0
WIDTH_PX = 480


def clips_of(run: RunData) -> Mapping[tuple[str, int], bytes]:
    """MP4 files by record and number of the infraction, for those whose time is known and that
    have a video. A video that cannot be read gives none, and is told in the log."""
    clips: dict[tuple[str, int], bytes] = {}
    for drive in run.drives:
        for number, one in enumerate(drive.infractions):
            if drive.video is None or one.time_s is None:
                continue
            try:
                clip = cut(drive.video, one.time_s - BEFORE_S, one.time_s + AFTER_S)
            except (av.FFmpegError, OSError, ValueError) as error:
                logger.warning("%s: no clips (%s)", drive.video, error)
                break
            clips[drive.record.route_id, number] = clip
    return clips


def cut(video: Path, start_s: float, end_s: float) -> bytes:
    """The piece between two times, made smaller. Raises ValueError if nothing lies there."""
    start_s = max(start_s, 0.0)
    target = io.BytesIO()
    written = 0
    with av.open(str(video)) as source, av.open(target, "w", format="mp4") as clip:
        stream = source.streams.video[0]
        rate = stream.average_rate or Fraction(10)
        out = clip.add_stream("libx264", rate=rate, options={"preset": "superfast", "crf": "30"})
        assert isinstance(out, av.VideoStream)
        out.width = WIDTH_PX
        out.height = 2 * round(WIDTH_PX * stream.height / stream.width / 2)
        out.pix_fmt = "yuv420p"
        source.seek(int(start_s * av.time_base), backward=True)
        for frame in source.decode(stream):
            time_s = float(frame.time or 0.0)
            if time_s > end_s:
                break
            if time_s >= start_s:
                small = frame.reformat(out.width, out.height, "yuv420p")
                small.pts = written
                small.time_base = 1 / rate
                clip.mux(out.encode(small))
                written += 1
        clip.mux(out.encode())
    if not written:
        raise ValueError(f"nothing between {start_s:g} and {end_s:g} s")
    return target.getvalue()
