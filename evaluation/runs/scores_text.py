"""A run's figures as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from evaluation.runs.run_scores import Figures, RunScores
from evaluation.runs.twins import TwinGap
from evaluation.scoring.abilities import mean_ability


def to_text(scores: RunScores) -> str:
    """What a terminal shows."""
    return "\n".join(_lines(scores))


def figures_of(scores: RunScores) -> dict[str, Figures]:
    """The figures over the whole run, by what they are over; those that are the same are left
    out."""
    found = {f"all {scores.over_planned.drives} planned drives": scores.over_planned}
    if scores.over_present.drives != scores.over_planned.drives:
        found[f"the {scores.over_present.drives} that are there"] = scores.over_present
    finished = scores.over_finished
    if finished is not None and finished.drives != scores.over_present.drives:
        found[f"the {finished.drives} that did not crash"] = finished
    if scores.published is not None:
        found[f"{scores.published.drives}, as published"] = scores.published
    return found


def _lines(scores: RunScores) -> Iterator[str]:
    there, planned = scores.over_present.drives, scores.over_planned.drives
    yield f"{scores.benchmark}: {there} of {planned} drives, {scores.routes} routes"
    groups = {f"over {name}": found for name, found in figures_of(scores).items()}
    groups |= {f"town {name}": found for name, found in scores.by_town.items()}
    groups |= {f"scenario {name}": found for name, found in scores.by_scenario.items()}
    for name, found in groups.items():
        yield (
            f"{name}: driving score {found.driving_score:.2f}, success rate "
            f"{100.0 * found.success_rate:.2f} % ({found.drives} drives)"
        )
    yield f"standard deviation of the driving score: {scores.standard_deviation:.2f}"
    if scores.repetition_deviation is not None:
        yield f"of the same route from one time to the next: {scores.repetition_deviation:.2f}"
    score, success = scores.driving_score_interval, scores.success_rate_interval
    if score is not None and success is not None:
        yield (
            f"95 % intervals: driving score {score.low:.2f} to {score.high:.2f}, success rate "
            f"{100.0 * success.low:.2f} to {100.0 * success.high:.2f} %"
        )
    if scores.twins is not None:
        yield twins_line(scores.twins)
    yield f"failed drives: {100.0 * scores.failure_rate:.2f} %"
    for name, value in own_figures(scores).items():
        yield f"{name}: {value}"
    for kind, rate in scores.infractions_per_km.items():
        yield f"{kind}: {rate:g} per km"
    yield f"driven outside the lanes: {scores.outside_km:g} km"
    yield from missing_lines(scores)
    for route, texts in scores.contradictions.items():
        for text in texts:
            yield f"{route} contradicts itself: {text}"


def twins_line(twins: TwinGap) -> str:
    """How far success holds on the shifted routes."""
    low, high = 100.0 * twins.interval.low, 100.0 * twins.interval.high
    return (
        f"generalisation, {twins.pairs} routes and their twins: success "
        f"{100.0 * twins.originals:.2f} % and {100.0 * twins.twins:.2f} %, "
        f"{100.0 * twins.gap:+.2f} points ({low:+.2f} to {high:+.2f})"
    )


def own_figures(scores: RunScores) -> dict[str, str]:
    """What Bench2Drive alone has, as text; empty for other benchmarks."""
    told: dict[str, str] = {}
    if scores.efficiency_percent is not None:
        told["efficiency"] = f"{scores.efficiency_percent:.2f} % of the traffic's speed"
    if scores.comfort is not None:
        told["comfort, as published"] = f"{scores.comfort.published:.4f}"
        told["comfort, corrected"] = f"{scores.comfort.corrected:.4f}"
    if scores.abilities is not None:
        values = {**scores.abilities.values, "mean ability": mean_ability(scores.abilities.values)}
        for name, value in values.items():
            told[name] = "not known" if value is None else f"{100.0 * value:.2f} %"
    return told


def missing_lines(scores: RunScores) -> Iterator[str]:
    """What is not there: drives, and what it takes to know an ability."""
    if scores.missing:
        yield f"missing routes, counted 0: {', '.join(scores.missing)}"
    if scores.unnamed:
        yield (
            f"missing routes, counted 0: {scores.unnamed} more that the files do not name "
            "(--routes FILE names them)"
        )
    if scores.crashed:
        names = ", ".join(scores.crashed)
        yield f"routes that crashed or never ended, counted as they stand: {names}"
    towns: dict[str, list[str]] = defaultdict(list)
    for town, what in scores.abilities.needed.items() if scores.abilities else ():
        towns[what].append(town)
    for what, found in towns.items():
        yield f"to know the signs passed in {', '.join(found)}: {what}"
