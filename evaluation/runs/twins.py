"""How far success on routes holds on their twins, in which only the thing to decide is shifted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.routes.scenario import TWIN
from evaluation.runs.result_files import RouteOutcome
from evaluation.scoring.comparison import Interval, PairedSuccess


@dataclass(frozen=True)
class TwinGap:
    """Over the routes that were driven with their twins: success rates of both 0..1, and the
    twins' less the originals', with its interval."""

    pairs: int
    originals: float
    twins: float
    gap: float
    interval: Interval


def twin_gap(found: Mapping[str, RouteOutcome]) -> TwinGap | None:
    """From outcomes by route id; None without a pair."""
    pairs = [(one, found[name + TWIN]) for name, one in found.items() if name + TWIN in found]
    if not pairs:
        return None
    counted = PairedSuccess.of(
        [original.success for original, _ in pairs], [twin.success for _, twin in pairs]
    )
    return TwinGap(
        pairs=counted.pairs,
        originals=(counted.both + counted.only_first) / counted.pairs,
        twins=(counted.both + counted.only_second) / counted.pairs,
        gap=counted.difference,
        interval=counted.interval,
    )
