"""Two-component mixtures over one number per example (its loss), fitted to a histogram instead of to the examples.

Beta mixture: Arazo, Ortego, Albert, O'Connor, McGuinness, "Unsupervised label noise modeling and loss correction", ICML
2019, section 3.1, with the constants of the authors' code. Gaussian mixture: Li, Socher, Hoi, "DivideMix", ICLR 2020,
section 3.1. Component 1 is the one with the larger mean (the high losses: probably wrong labels).

Where we differ, and why: EM uses counts in BINS bins, which are (nearly) sufficient: parameters differ by less than
1e-3. Components are ordered. A fit that breaks down (no spread, a <= 0, an empty component) is refused, with
`fitted=False`. The look-up table is interpolated, and repaired at its low end too, not only at its tail. The Gaussian
EM starts from the two-means split of the histogram, so it needs no random numbers.

Cost: a few linear passes over the losses, 5 ms per million; EM itself does not depend on their number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labelsieve.stats.logistic_fit import logistic

BINS = 4096
GRID = np.linspace(1e-12, 1 - 1e-12, 100)
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class BetaMixture:
    """Two Beta distributions over normalised losses.

    Attributes:
        a, b: (2,) parameters; component 0 has the smaller mean.
        weight: (2,) mixing weights.
        lo, hi: the range that was mapped to [0, 1] for the fit; a look-up uses the same.
        fitted: False if there was nothing to separate; the posterior is then 0 everywhere.
    """

    a: np.ndarray
    b: np.ndarray
    weight: np.ndarray
    lo: float
    hi: float
    fitted: bool

    def posterior(self, losses: np.ndarray) -> np.ndarray:
        """(n,) losses -> (n,) float64, the probability of the high-loss component; never falls as the loss grows. NaN
        stays NaN."""
        losses = _floating(losses)
        if not self.fitted:
            return np.zeros(losses.shape)
        x, table = _normalise(losses, self.lo, self.hi), self.table()
        left = np.clip(np.searchsorted(GRID, x, side="right") - 1, 0, len(GRID) - 2)
        # Rounding may lift the end of a step above the start of the next.
        return np.clip(np.interp(x, GRID, table), table[left], table[left + 1])

    def table(self) -> np.ndarray:
        """(100,) the posterior on a grid over [0, 1], made monotone.

        The log odds of two Betas turn at most once. Values after a maximum are raised to it, as in the authors' code.
        Values before a minimum, which a broad upper component has, are lowered to it: otherwise the smallest losses
        would be doubted.
        """
        log_joint = np.log(self.weight)[:, None] + _beta_log_density(np.log(GRID), np.log1p(-GRID), self.a, self.b)
        odds = log_joint[1] - log_joint[0]  # probabilities of 0 and 1 would have ties
        if self.a[1] < self.a[0] and self.b[1] < self.b[0]:
            turn = int(odds.argmin())
            odds[:turn] = odds[turn]
        else:
            turn = int(odds.argmax())
            odds[turn:] = odds[turn]
        return np.maximum.accumulate(logistic(odds))


def fit_beta(losses: np.ndarray, *, iterations: int = 10, trim: tuple[float, float] = (5, 95)) -> BetaMixture:
    """Fit a two-component Beta mixture to losses (n,); values that are not finite are ignored.

    Args:
        iterations: EM steps, always all of them (authors' code).
        trim: percentiles; losses outside are left out of the fit and set the range of the normalisation.
    """
    losses = _finite(losses)
    a, b, weight = np.array([1.0, 2.0]), np.array([2.0, 1.0]), np.array([0.5, 0.5])
    lo, hi = _percentiles(losses, trim) if len(losses) else (0.0, 0.0)
    refused = BetaMixture(a, b, weight, lo, hi, fitted=False)
    if hi - lo < 1e-6:
        return refused
    lowest, lo = lo, lo + 1e-5
    count, value = _trimmed_histogram(losses, lowest, lo, hi)
    logs = np.log(value), np.log1p(-value)
    for _ in range(iterations):
        r = np.maximum(weight[:, None] * np.exp(_beta_log_density(*logs, a, b)), 1e-12)
        r *= count / r.sum(0)
        total, m, v = _moments(r, value)
        if not (total.min() >= LEAST_WEIGHT * count.sum() and v.min() >= 1e-9):
            return refused
        a = m * (m * (1 - m) / v - 1)
        b = a * (1 - m) / m
        weight = total / count.sum()
        if not (np.isfinite(a).all() and np.isfinite(b).all() and min(a.min(), b.min()) > 0):
            return refused
    order = np.argsort(a / (a + b), kind="stable")
    return BetaMixture(a[order], b[order], weight[order], lo, hi, fitted=True)


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Two normal distributions over min-max normalised losses.

    Attributes:
        mean, variance, weight: (2,); component 0 has the smaller mean.
        lo, hi: smallest and largest loss of the fit.
        fitted: False if there was nothing to separate; the posterior is then 0 everywhere.
    """

    mean: np.ndarray
    variance: np.ndarray
    weight: np.ndarray
    lo: float
    hi: float
    fitted: bool

    def posterior(self, losses: np.ndarray) -> np.ndarray:
        """(n,) losses -> (n,) float64, the probability of the component with the larger mean. An infinite loss counts
        as the largest (smallest) of the fit; NaN stays NaN."""
        losses = np.asarray(losses, np.float64)
        losses = np.where(np.isinf(losses), np.where(losses > 0, self.hi, self.lo), losses)
        if not self.fitted:
            return np.zeros(losses.shape)
        log_joint = _gaussian_log_joint((losses - self.lo) / (self.hi - self.lo), self.mean, self.variance, self.weight)
        return logistic(log_joint[1] - log_joint[0])


def fit_gaussian(
    losses: np.ndarray, *, max_iter: int = 10, tol: float = 1e-2, reg_covar: float = 5e-4
) -> GaussianMixture:
    """Fit a two-component Gaussian mixture to losses (n,); values that are not finite are ignored.

    Args:
        max_iter, tol, reg_covar: DivideMix's settings: steps, the gain in mean log-likelihood that ends EM, variance
            added.
    """
    losses = _finite(losses)
    lo, hi = (float(losses.min()), float(losses.max())) if len(losses) else (0.0, 0.0)
    mean, variance, weight = np.zeros(2), np.ones(2), np.array([1.0, 0.0])
    refused = GaussianMixture(mean, variance, weight, lo, hi, fitted=False)
    if not 1e-6 <= hi - lo < np.inf:
        return refused
    count, value = _histogram((losses.astype(np.float64) - lo) / (hi - lo))
    n, previous, gain = count.sum(), -np.inf, np.inf
    r = _two_means(count, value)
    for step in range(max_iter + 1):
        total, mean, variance = _moments(r, value)
        if not total.min() >= LEAST_WEIGHT * n:
            return refused
        variance, weight = variance + reg_covar, total / n
        if step == max_iter or gain < tol:
            break
        log_joint = _gaussian_log_joint(value, mean, variance, weight)
        log_sum = np.logaddexp(log_joint[0], log_joint[1])
        likelihood = float(count @ log_sum / n)
        gain, previous = abs(likelihood - previous), likelihood
        r = count * np.exp(log_joint - log_sum)
    order = np.argsort(mean, kind="stable")
    return GaussianMixture(mean[order], variance[order], weight[order], lo, hi, fitted=True)


def _floating(losses: np.ndarray) -> np.ndarray:
    """Losses as float32 if that is exact, else float64: whole numbers would be truncated in the look-up."""
    losses = np.asarray(losses)
    if losses.dtype == np.float16:
        return losses.astype(np.float32)
    return losses if losses.dtype.kind == "f" else losses.astype(np.float64)


def _finite(losses: np.ndarray) -> np.ndarray:
    losses = _floating(losses)
    good = np.isfinite(losses)
    return losses if good.all() else losses[good]


def _percentiles(x: np.ndarray, q: tuple[float, float]) -> tuple[float, float]:
    """Linear-interpolation percentiles, as by np.percentile, in a fifth of the time."""
    lo, hi = (_order_statistic(x, (len(x) - 1) * p / 100) for p in q)
    return lo, hi


def _order_statistic(x: np.ndarray, at: float) -> float:
    """The value at the (fractional) position `at` of sorted x. A sample brackets it, so that only a sliver is
    partitioned."""
    below, inside = 0, x
    if len(x) > 100_000:
        sample = np.sort(x[:: len(x) // 10_000])
        middle = at / len(x) * len(sample)
        a, b = sample[np.clip([int(middle) - 100, int(middle) + 100], 0, len(sample) - 1)]
        below, inside = int(np.count_nonzero(x < a)), x[(x >= a) & (x <= b)]
        if not 0 <= at - below <= len(inside) - 2:
            below, inside = 0, x
    first = int(at) - below
    pair = np.partition(inside, [first, min(first + 1, len(inside) - 1)])[first : first + 2].astype(np.float64)
    return float(pair[0] + (at % 1) * (pair[-1] - pair[0]))


def _normalise(losses: np.ndarray, lo: float, hi: float) -> np.ndarray:
    """To [0.001, 0.999]. The authors' code sets values outside 0 and 1 to these but keeps those between 0 and 0.001,
    whose posterior is below that of smaller losses."""
    x = (losses - losses.dtype.type(lo)) * losses.dtype.type(1 / (hi - lo + 1e-6))
    return np.clip(x, 1e-3, 1 - 1e-3)


def _trimmed_histogram(x: np.ndarray, lowest: float, lo: float, hi: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts and values of the normalised losses between `lowest` and `hi`, without a trimmed copy.

    Bin 0 takes values below lo; among these, losses from `lowest` to lo belong to the fit, with the clipped value 1e-3.
    """
    scaled = x - x.dtype.type(lo)
    scaled *= x.dtype.type((BINS - 0.01) / (hi - lo + 1e-6))  # float32 must not round hi itself out of the last bin
    scaled += 1
    position = np.clip(scaled, 0, BINS + 1, out=scaled).astype(np.intp)
    count = np.bincount(position, minlength=BINS + 2)[1:-1].astype(np.float64)
    at_floor = np.count_nonzero(x <= x.dtype.type(lo)) - np.count_nonzero(x < x.dtype.type(lowest))
    value = np.append((np.arange(BINS) + 0.5) / BINS, 1e-3)
    count = np.append(count, at_floor)
    return count[count > 0], np.clip(value[count > 0], 1e-4, 1 - 1e-4)


def _histogram(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x (n,) in [0, 1] -> counts and centres of the non-empty bins."""
    count = np.bincount(np.minimum((x * BINS).astype(np.intp), BINS - 1), minlength=BINS).astype(np.float64)
    return count[count > 0], (np.flatnonzero(count) + 0.5) / BINS


def _moments(r: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Total, mean and variance of `value` (m,) under each row of the weights r (2, m)."""
    total = np.maximum(r.sum(1), 1e-300)
    m = r @ value / total
    return total, m, (r * (value - m[:, None]) ** 2).sum(1) / total


def _beta_log_density(log_x: np.ndarray, log_1_x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    log_norm = np.array([math.lgamma(p + q) - math.lgamma(p) - math.lgamma(q) for p, q in zip(a, b, strict=True)])
    return log_norm[:, None] + (a - 1)[:, None] * log_x + (b - 1)[:, None] * log_1_x


def _gaussian_log_joint(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    scale = np.log(weight) - 0.5 * np.log(2 * math.pi * variance)
    return scale[:, None] - 0.5 * (x - mean[:, None]) ** 2 / variance[:, None]


def _two_means(count: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Responsibilities (2, m) of a hard two-means split, from the two ends inwards."""
    centre = np.array([value[0], value[-1]])
    upper = value > centre.mean()
    for _ in range(100):
        moved = np.array([np.average(value[side], weights=count[side]) for side in (~upper, upper)])
        if np.allclose(moved, centre, atol=1e-9, rtol=0):
            break
        centre = moved
        upper = value > centre.mean()
    return np.stack([count * ~upper, count * upper])
