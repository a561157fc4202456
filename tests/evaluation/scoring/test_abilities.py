"""Bench2Drive's abilities, by worked examples of its tools."""

from __future__ import annotations

import pytest

from evaluation.scoring.abilities import (
    TYPES,
    AbilityRoute,
    abilities,
    mean_ability,
    sign_share,
)

OTHERS = [
    AbilityRoute(name, True, True)
    for name in ("Accident", "ParkingExit", "ControlLoss", "InvadingTurn", "T_Junction")
]
SHARE = sign_share([False] * 49 + [True] + [False] * 50)
"""Junction at the 50th of 100 points."""


def second_junction(completion: float, *, success: bool = False, red: bool = False) -> AbilityRoute:
    assert SHARE is not None
    return AbilityRoute("T_Junction", success, completion > SHARE and not red)


@pytest.mark.parametrize(
    ("second", "in_0_0_3", "in_0_0_4"),
    [
        ([second_junction(1.0, success=True)], 1.0, 1.0),
        ([second_junction(0.581)], 0.75, 1.0),
        ([second_junction(0.58)], 0.5, 0.5),
        ([second_junction(1.0, red=True)], 0.5, 0.5),
        ([second_junction(1.0)], 0.75, 1.0),
        ([], 1.0, 1.0),
    ],
    ids=["success", "just passed", "just not", "red light", "collision", "no record"],
)
def test_traffic_signs(second: list[AbilityRoute], in_0_0_3: float, in_0_0_4: float) -> None:
    for signs_apart, wanted in ((True, in_0_0_3), (False, in_0_0_4)):
        values = abilities([*OTHERS, *second], signs_apart=signs_apart)
        assert values == {**dict.fromkeys(TYPES, 1.0), "Traffic_Signs": wanted}
        assert mean_ability(values) == pytest.approx((4 + wanted) / 5)


def test_what_is_not_known_is_not_made_up() -> None:
    failed = AbilityRoute("T_Junction", False, None)
    values = abilities([*OTHERS, failed], signs_apart=False)
    assert values["Traffic_Signs"] is None
    assert mean_ability(values) is None
    # Without a map all successes have a value in 0.0.4, and none in 0.0.3.
    success = AbilityRoute("T_Junction", True, None)
    assert abilities([success], signs_apart=False)["Traffic_Signs"] == 1.0
    assert abilities([success], signs_apart=True)["Traffic_Signs"] is None
    assert abilities([success], signs_apart=True)["Merging"] is None


def test_a_route_may_be_in_two_groups() -> None:
    values = abilities([AbilityRoute("BlockedIntersection", False, False)], signs_apart=False)
    assert (values["Emergency_Brake"], values["Traffic_Signs"]) == (0.0, 0.0)


def test_a_route_without_a_junction_has_no_sign() -> None:
    assert sign_share([False] * 20) is None
    assert sign_share([True]) == 9.0
