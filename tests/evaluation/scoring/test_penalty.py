"""Scores by the leaderboard's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.scoring.penalty import Rules, penalty, score
from evaluation.scoring.tick import Infraction, Kind
from tests.examples import examples


def found(kind: Kind, percent: float | None = None) -> Infraction:
    return Infraction(kind, frame=0, message="", percent=percent)


PERCENTAGES = {Kind.OUTSIDE_LANES, Kind.MIN_SPEED}
infractions = st.lists(
    st.sampled_from(list(Kind)).flatmap(
        lambda kind: st.builds(
            found,
            st.just(kind),
            st.floats(0.0, 100.0) if kind in PERCENTAGES else st.none(),
        )
    ),
    max_size=8,
)


@pytest.mark.parametrize(
    ("kind", "percent", "factor_2_0", "factor_2_1"),
    [
        (Kind.COLLISION_PEDESTRIAN, None, 0.50, 1 / 2.0),
        (Kind.COLLISION_VEHICLE, None, 0.60, 1 / 1.7),
        (Kind.COLLISION_LAYOUT, None, 0.65, 1 / 1.6),
        (Kind.RED_LIGHT, None, 0.70, 1 / 1.4),
        (Kind.STOP, None, 0.80, 1 / 1.25),
        (Kind.SCENARIO_TIMEOUT, None, 0.70, 1 / 1.4),
        (Kind.YIELD_EMERGENCY, None, 0.70, 1 / 1.4),
        (Kind.MIN_SPEED, 40.0, 1 - 0.3 * 0.6, 1 / (1 + 0.4 * 0.6)),
        (Kind.OUTSIDE_LANES, 10.0, 0.9, 0.9),
        (Kind.ROUTE_DEVIATION, None, 1.0, 1.0),
        (Kind.BLOCKED, None, 1.0, 1.0),
        (Kind.ROUTE_TIMEOUT, None, 1.0, 1.0),
    ],
)
def test_one_infraction(
    kind: Kind, percent: float | None, factor_2_0: float, factor_2_1: float
) -> None:
    assert penalty([found(kind, percent)], Rules.V2_0) == pytest.approx(factor_2_0)
    assert penalty([found(kind, percent)], Rules.V2_1) == pytest.approx(factor_2_1)


VEHICLE, STOP = found(Kind.COLLISION_VEHICLE), found(Kind.STOP)
MANY = [VEHICLE, STOP, found(Kind.MIN_SPEED, 80.0)]
"""Events of two of the examples."""


@pytest.mark.parametrize(
    ("completion", "events", "by_2_1", "by_2_0", "by_bench2drive"),
    [
        (
            100.0,
            [VEHICLE, found(Kind.RED_LIGHT)],
            (0.47619, 47.619048),
            (0.42, 42.0),
            (0.42, 42.0),
        ),
        (100.0, [found(Kind.COLLISION_PEDESTRIAN)], (0.5, 50.0), (0.5, 50.0), (0.5, 50.0)),
        (100.0, [found(Kind.COLLISION_LAYOUT)], (0.625, 62.5), (0.65, 65.0), (0.65, 65.0)),
        (100.0, [found(Kind.YIELD_EMERGENCY)], (0.714286, 71.428571), (0.7, 70.0), (0.7, 70.0)),
        (100.0, [found(Kind.SCENARIO_TIMEOUT)], (0.714286, 71.428571), (0.7, 70.0), (0.7, 70.0)),
        (100.0, [STOP], (0.8, 80.0), (0.8, 80.0), (0.8, 80.0)),
        (100.0, [VEHICLE, VEHICLE], (0.416667, 41.666667), (0.36, 36.0), (0.36, 36.0)),
        (
            60.0,
            [*MANY, found(Kind.OUTSIDE_LANES, 10.0)],
            (0.44335, 26.600985),
            (0.40608, 24.3648),
            (0.432, 25.92),
        ),
        (60.0, MANY, (0.492611, 29.55665), (0.4512, 27.072), (0.48, 28.8)),
        (100.0, [found(Kind.MIN_SPEED, 150.0)], (1.25, 125.0), (1.15, 115.0), (1.0, 100.0)),
        (100.0, [found(Kind.MIN_SPEED, 400.0)], (-5.0, 0.0), (1.9, 190.0), (1.0, 100.0)),
        (40.0, [found(Kind.OUTSIDE_LANES, 100.0)], (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
        (50.0, [found(Kind.ROUTE_TIMEOUT)], (1.0, 50.0), (1.0, 50.0), (1.0, 50.0)),
        (50.0, [found(Kind.BLOCKED)], (1.0, 50.0), (1.0, 50.0), (1.0, 50.0)),
    ],
)
def test_routes_as_the_official_evaluators_score_them(
    completion: float,
    events: list[Infraction],
    by_2_1: tuple[float, float],
    by_2_0: tuple[float, float],
    by_bench2drive: tuple[float, float],
) -> None:
    """Penalty and composed score that statistics_manager.py of each wrote for these events."""
    for chosen, rules, wanted in (
        (events, Rules.V2_1, by_2_1),
        (events, Rules.V2_0, by_2_0),
        (events, Rules.BENCH2DRIVE, by_bench2drive),
    ):
        scores = score(completion, chosen, rules)
        assert scores["score_route"] == completion
        assert (scores["score_penalty"], scores["score_composed"]) == wanted


@examples(50)
@given(infractions, st.sampled_from(list(Kind)), st.sampled_from(Rules))
def test_another_infraction_never_raises_the_score(
    before: list[Infraction], kind: Kind, rules: Rules
) -> None:
    more = [*before, found(kind, 50.0 if kind in PERCENTAGES else None)]
    assert 0.0 <= penalty(more, rules) <= penalty(before, rules) <= 1.0


@examples(50)
@given(infractions, st.floats(0.0, 100.0), st.floats(0.0, 100.0), st.sampled_from(Rules))
def test_more_of_the_route_never_lowers_the_score(
    infractions: list[Infraction], one: float, other: float, rules: Rules
) -> None:
    less, more = sorted((one, other))
    assert (
        score(less, infractions, rules)["score_composed"]
        <= score(more, infractions, rules)["score_composed"]
    )


@examples(50)
@given(infractions, st.sampled_from(Rules), st.randoms())
def test_the_order_does_not_matter(infractions: list[Infraction], rules: Rules, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(infractions)
    random.shuffle(shuffled)
    assert penalty(shuffled, rules) == pytest.approx(penalty(infractions, rules))
