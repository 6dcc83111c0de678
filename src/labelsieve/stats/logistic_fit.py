"""The curve from scores to p(wrong): a logistic fit to reviewed labels, with the earlier probability as prior.

logit p = logit(p_before) + x'b with b ~ N(0, spread^2): no review, no change (Platt 1999 scaling, as a correction; the
fit is the posterior mode, its covariance the inverse Hessian: MacKay, Neural Computation 1992). A reviewer who errs at
a rate e calls a label wrong with the probability e + (1 - 2e) p; that likelihood is fitted by Fisher scoring with
halved steps, and its evidence says how well e explains the answers.
Differs: the prior of the intercept is 0 +- 1, that
of the slope 1 +- 0.2 (chosen on development sets, docs/calibration.md), so that ten reviews change a correct
probability little, and two hundred change a wrong one as much as needed.
Cost: a few solves of (columns, columns) over
the reviewed rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BASE = (1.0, 0.2)  # spread of intercept and slope
_FAR = 12.0  # log-odds are clipped to this
_STEPS = 60


@dataclass(frozen=True)
class Curve:
    """A fitted correction: coefficients (d,), their covariance (d, d), and the log of the evidence."""

    b: np.ndarray
    covariance: np.ndarray
    evidence: float


def log_odds(p: np.ndarray) -> np.ndarray:
    """(n,) logit of p, within +-12."""
    with np.errstate(divide="ignore"):
        return np.clip(np.log(p) - np.log1p(-p), -_FAR, _FAR)


def logistic(x: np.ndarray) -> np.ndarray:
    far = 80 if getattr(x, "dtype", None) == np.float32 else 700  # exp of more overflows
    return 1 / (1 + np.exp(-np.clip(x, -far, far)))


def fit(before: np.ndarray, columns: np.ndarray, spread: np.ndarray, wrong: np.ndarray, error: float) -> Curve:
    """The posterior mode of the correction.

    Args:
        before: (m,) log-odds stated before the reviews.
        columns: (m, d) the inputs of the linear correction.
        spread: (d,) standard deviations of the prior.
        wrong: (m,) 1 where the reviewer called the label wrong, else 0.
        error: the rate e at which reviewers err, 0 <= e < 0.5.
    """
    b, hold = np.zeros(columns.shape[1]), np.diag(1 / np.asarray(spread, np.float64) ** 2)
    value = _cost(b, before, columns, hold, wrong, error)
    for _ in range(_STEPS):
        p = logistic(before + columns @ b)
        called_wrong = np.clip(error + (1 - 2 * error) * p, 1e-12, 1 - 1e-12)
        slope = (1 - 2 * error) * p * (1 - p)
        spare = called_wrong * (1 - called_wrong)
        gradient = columns.T @ ((called_wrong - wrong) * slope / spare) + hold @ b
        step = np.linalg.solve((columns * (slope**2 / spare)[:, None]).T @ columns + hold, gradient)
        size, new = 1.0, value
        while size > 1e-4:
            new = _cost(b - size * step, before, columns, hold, wrong, error)
            if new <= value:
                break
            size /= 2
        else:
            break
        b, gain, value = b - size * step, value - new, new
        if gain < 1e-9:
            break
    p = logistic(before + columns @ b)
    called_wrong = np.clip(error + (1 - 2 * error) * p, 1e-12, 1 - 1e-12)
    weight = ((1 - 2 * error) * p * (1 - p)) ** 2 / (called_wrong * (1 - called_wrong))
    hessian = (columns * weight[:, None]).T @ columns + hold
    return Curve(
        b, np.linalg.inv(hessian), float(-value - (np.linalg.slogdet(hessian)[1] - np.linalg.slogdet(hold)[1]) / 2)
    )


def _cost(
    b: np.ndarray, before: np.ndarray, columns: np.ndarray, hold: np.ndarray, wrong: np.ndarray, error: float
) -> float:
    """Minus the log-posterior."""
    called_wrong = np.clip(error + (1 - 2 * error) * logistic(before + columns @ b), 1e-12, 1 - 1e-12)
    return float(-(wrong @ np.log(called_wrong) + (1 - wrong) @ np.log1p(-called_wrong)) + b @ hold @ b / 2)
