"""How well a checkpoint predicts what the expert did, on recorded frames, without driving."""

from __future__ import annotations

import json
from dataclasses import replace

from rich.console import Console

from evaluation.errors import UserError
from evaluation.open_loop.errors_on_dataset import judge, straight_on
from evaluation.open_loop.left_out import UNREADABLE_FRAMES, summary_of, to_plain
from evaluation.open_loop.settings import OpenLoopSettings
from evaluation.open_loop.summary import MEASURES, curves, summarise, table_of
from evaluation.open_loop.weights_and_frames import chosen_rows, open_subject
from evaluation.open_loop.worst_frames import draw_worst
from evaluation.reports.open_loop_page import write_report
from model.checkpoint import CheckpointError
from model.config import ConfigError
from model.runtime import DeviceError, find_device
from model.training.buckets import find_buckets
from model.training.index import DatasetError


def open_loop(settings: OpenLoopSettings, console: Console) -> int:
    """Judge, print a table and write ``open_loop.json``, ``report.html`` and ``worst/``.

    Raises:
        UserError: a device, a checkpoint or a dataset that cannot be used.
    """
    try:
        settings = replace(settings, device=str(find_device(settings.device)))
        model, dataset, left_out = open_subject(settings)
        rows = chosen_rows(dataset.index, settings)
        judged = judge(model, dataset, rows, settings, console)
        baseline = straight_on(dataset, judged.rows, settings.shifted)
    except (DeviceError, CheckpointError, ConfigError, DatasetError) as error:
        raise UserError(str(error)) from error
    buckets = find_buckets(dataset.index.rows(judged.rows))
    summary = summarise(judged, baseline, buckets)
    settings.out.mkdir(parents=True, exist_ok=True)
    left_out[UNREADABLE_FRAMES] = judged.problems
    content = {
        "frames": len(judged.rows),
        "left_out": to_plain(left_out),
        "errors": summary,
    }
    (settings.out / "open_loop.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    images = draw_worst(model, dataset, judged, settings)
    write_report(settings.out / "report.html", summary, MEASURES, curves(judged), images)
    console.print(table_of(summary))
    console.print(summary_of(left_out), soft_wrap=True)
    console.print(f"Report: {settings.out / 'report.html'}")
    return 0
