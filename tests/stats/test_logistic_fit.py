import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from labelsieve.stats.logistic_fit import fit, log_odds, logistic


def test_log_odds_of_certainty_stay_finite():
    assert log_odds(np.array([0.0, 0.5, 1.0])).tolist() == [-12.0, 0.0, 12.0]


def test_no_answer_leaves_the_prior():
    curve = fit(np.zeros(0), np.zeros((0, 2)), np.array([1.0, 0.3]), np.zeros(0), 0.0)
    assert curve.b.tolist() == [0.0, 0.0]
    assert np.allclose(curve.covariance, np.diag([1.0, 0.09]))


def test_a_rate_of_error_explains_slips_on_sure_rows():
    """Ninety-five right and five wrong calls on rows that are surely right: an error of 5 % says so better than
    none."""
    before, wrong = np.full(100, -9.0), np.r_[np.ones(5), np.zeros(95)]
    columns, spread = np.stack([np.ones(100), before], 1), np.array([1.0, 0.1])
    none, some = (fit(before, columns, spread, wrong, error) for error in (0.0, 0.05))
    assert some.evidence > none.evidence + 1
    assert abs(some.b[0]) < abs(none.b[0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-12, 12), st.booleans()), min_size=1, max_size=40), st.sampled_from([0.0, 0.05, 0.3])
)
def test_the_fit_is_a_stationary_point_of_the_posterior(rows, error):
    before, wrong = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float)
    columns, spread = np.stack([np.ones(len(rows)), before], 1), np.array([1.0, 0.3])
    curve = fit(before, columns, spread, wrong, error)

    def cost(b):
        called_wrong = np.clip(error + (1 - 2 * error) * logistic(before + columns @ b), 1e-12, 1 - 1e-12)
        return -(wrong @ np.log(called_wrong) + (1 - wrong) @ np.log1p(-called_wrong)) + (b**2 / spread**2).sum() / 2

    here = cost(curve.b)
    for i in range(2):
        step = np.zeros(2)
        step[i] = 1e-3
        assert cost(curve.b + step) >= here - 1e-6 and cost(curve.b - step) >= here - 1e-6
    assert (np.linalg.eigvalsh(curve.covariance) > 0).all()


@pytest.mark.parametrize("error", [0.0, 0.1])
def test_the_evidence_is_the_likelihood_under_the_prior(error):
    """Laplace's approximation against the integral, for one coefficient and many answers."""
    rng = np.random.default_rng(0)
    before, wrong = np.zeros(400), (rng.random(400) < 0.3).astype(float)
    curve = fit(before, np.ones((400, 1)), np.array([0.5]), wrong, error)
    b = np.linspace(-4, 4, 4001)
    called_wrong = error + (1 - 2 * error) * logistic(b)
    log = wrong.sum() * np.log(called_wrong) + (400 - wrong.sum()) * np.log1p(-called_wrong) + norm(0, 0.5).logpdf(b)
    whole = np.log(np.exp(log - log.max()).sum() * (b[1] - b[0])) + log.max()
    assert curve.evidence == pytest.approx(whole, abs=0.02)
    assert np.sqrt(curve.covariance[0, 0]) == pytest.approx(
        np.sqrt(np.average((b - curve.b[0]) ** 2, weights=np.exp(log - log.max()))), rel=0.02
    )
