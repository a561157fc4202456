"""Whether one driver is worse than another, from routes that both drove."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy import stats

LEVEL = 0.95
POWER = 0.8
RESAMPLES = 10_000
SEED = 0


@dataclass(frozen=True)
class Interval:
    """Confidence interval, in the unit of what it is of."""

    low: float
    high: float


class Verdict(Enum):
    """The values are exit codes of `compare`."""

    PASS = 0
    FAIL = 1
    INCONCLUSIVE = 3
    INVALID = 4

    @property
    def exit_code(self) -> int:
        return min(self.value, Verdict.INCONCLUSIVE.value)


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Of the mean, by percentile bootstrap; None for fewer than two values. Values that are all
    equal give a width of zero, where the bias-corrected bootstrap gives no number at all."""
    if len(values) < 2:
        return None
    found = stats.bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=SEED,
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def share_interval(shares: Sequence[float]) -> Interval | None:
    """Of the mean of successes, 0 or 1 each, after Wilson: it has a width where all are equal, too.
    Of shares in between, of repetitions, by bootstrap. None for fewer than two values."""
    if len(shares) < 2:
        return None
    if any(share not in (0.0, 1.0) for share in shares):
        return mean_interval(shares)
    found = stats.binomtest(round(sum(shares)), len(shares)).proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.low), float(found.high))


@dataclass(frozen=True)
class PairedSuccess:
    """How many routes both drivers succeeded on, only one of them, or none."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @classmethod
    def of(cls, first: Sequence[bool], second: Sequence[bool]) -> PairedSuccess:
        pairs = list(zip(first, second, strict=True))
        cells = ((True, True), (True, False), (False, True), (False, False))
        return cls(*(pairs.count(cell) for cell in cells))

    @property
    def pairs(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def difference(self) -> float:
        """Share of successes of the second less that of the first."""
        return (self.only_second - self.only_first) / self.pairs

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test that both succeed equally often."""
        discordant = self.only_first + self.only_second
        if not discordant:
            return 1.0
        return float(stats.binomtest(self.only_first, discordant).pvalue)

    @property
    def interval(self) -> Interval:
        """Of the difference; it has a width where the drivers never disagree, too.

        Method 10 of Newcombe, Statistics in Medicine 17 (1998), 2635-2650: Wilson's intervals of
        both shares, joined by their correlation.
        """
        a, b, c, d = self.both, self.only_second, self.only_first, self.neither
        upper_share, lower_share = (a + b) / self.pairs, (a + c) / self.pairs
        upper = stats.binomtest(a + b, self.pairs).proportion_ci(LEVEL, method="wilson")
        lower = stats.binomtest(a + c, self.pairs).proportion_ci(LEVEL, method="wilson")
        spread = math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
        product = a * d - b * c
        excess = max(product - self.pairs / 2, 0.0) if product > 0 else product
        correlation = excess / spread if spread else 0.0
        below = _joined(upper_share - upper.low, lower.high - lower_share, correlation)
        above = _joined(upper.high - upper_share, lower_share - lower.low, correlation)
        return Interval(self.difference - below, self.difference + above)


def _joined(first: float, second: float, correlation: float) -> float:
    """Half width of a difference from the half widths of what is subtracted."""
    return math.sqrt(max(first**2 - 2 * correlation * first * second + second**2, 0.0))


def verdict_of(interval: Interval | None, margin: float) -> Verdict:
    """Whether a difference, second less first, is surely above -margin (PASS) or below (FAIL)."""
    if interval is None:
        return Verdict.INCONCLUSIVE
    if interval.low > -margin:
        return Verdict.PASS
    return Verdict.FAIL if interval.high < -margin else Verdict.INCONCLUSIVE


def worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    """FAIL before INCONCLUSIVE before PASS."""
    order = (Verdict.INVALID, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    return min(verdicts, key=order.index)


def pairs_needed(deviation: float, margin: float) -> int:
    """Paired routes with which two equal drivers pass in four of five comparisons. deviation: of
    the difference on a route, in the margin's unit; of successes, it is the square root of the
    share of routes on which only one succeeds. Normal approximation."""
    quantiles = float(stats.norm.ppf(0.5 + LEVEL / 2) + stats.norm.ppf(POWER))
    return max(math.ceil((quantiles * deviation / margin) ** 2), 2)
