"""How many examples a property test draws: few and always the same, or more and new ones.

A plain run draws the same examples every time, so that it says the same thing every time.
`pytest -m hypothesis --search 20` draws 20 times as many, at random, and keeps those that fail in
`.hypothesis`, to try them first the next time. What it finds becomes an `@example`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

USUAL_EXAMPLES = 100


def load_profile(times: int) -> None:
    """Set the number of examples of all property tests: `times` as many as usual."""
    settings.register_profile(
        "tests",
        max_examples=times * USUAL_EXAMPLES,
        derandomize=times == 1,
        # A busy machine is no fault of the code.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("tests")


def examples(count: int) -> settings:
    """Decorator of a property test that is slow or fast: `count` examples instead of 100."""
    return settings(max_examples=count * settings().max_examples // USUAL_EXAMPLES)
