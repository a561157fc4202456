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


def test_a_vehicle_hit_and_a_red_light() -> None:
    both = [found(Kind.COLLISION_VEHICLE), found(Kind.RED_LIGHT)]
    assert score(100.0, both, Rules.V2_0)["score_penalty"] == 0.42
    assert score(100.0, both, Rules.V2_1)["score_penalty"] == 0.476190
    assert score(50.0, both, Rules.V2_0) == {
        "score_route": 50.0,
        "score_penalty": 0.42,
        "score_composed": 21.0,
    }


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
