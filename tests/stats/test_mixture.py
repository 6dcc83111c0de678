"""Mixtures against per-sample EM with SciPy densities, scikit-learn, and the checks of the papers' methods."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.stats.mixture import GRID, BetaMixture, fit_beta, fit_gaussian


def two_betas(n, wrong=0.3, seed=0):
    rng = np.random.default_rng(seed)
    noisy = rng.random(n) < wrong
    return np.where(noisy, rng.beta(6, 2, n), rng.beta(2, 8, n)), noisy


def per_sample_em(x):
    beta = pytest.importorskip("scipy.stats").beta
    lo, hi = np.percentile(x, [5, 95])
    x = x[(x >= lo) & (x <= hi)].astype(np.float64)
    lo += 1e-5
    x = (x - lo) / (hi - lo + 1e-6)
    x[x >= 1], x[x <= 0] = 1 - 1e-3, 1e-3
    x = np.clip(x, 1e-4, 1 - 1e-4)
    a, b, weight = np.array([1.0, 2.0]), np.array([2.0, 1.0]), np.array([0.5, 0.5])
    for _ in range(10):
        r = np.stack([np.maximum(weight[k] * beta.pdf(x, a[k], b[k]), 1e-12) for k in range(2)])
        r /= r.sum(0)
        m = (r @ x) / r.sum(1)
        v = (r * (x - m[:, None]) ** 2).sum(1) / r.sum(1)
        a = m * (m * (1 - m) / v - 1)
        b = a * (1 - m) / m
        weight = r.mean(1)
    return a, b, weight


@pytest.mark.parametrize(("n", "dtype"), [(400_000, np.float32), (3_000, np.float64)])
def test_beta_parameters_equal_per_sample_em(n, dtype):
    rng = np.random.default_rng(1)
    x = np.where(rng.random(n) < 0.3, rng.gamma(9, 0.5, n), rng.gamma(1.2, 0.4, n)).astype(dtype)
    a, b, weight = per_sample_em(x)
    fit = fit_beta(x)
    np.testing.assert_allclose([*fit.a, *fit.b, *fit.weight], [*a, *b, *weight], atol=1e-3, rtol=1e-3)


def test_percentiles_are_those_of_numpy_also_with_ties_and_outliers():
    rng = np.random.default_rng(2)
    ties, heavy = np.round(rng.exponential(size=200_001)), np.sort(rng.standard_cauchy(150_000)) ** 3
    for x in (rng.exponential(size=300_000), ties, heavy, np.arange(7.0)):
        fit = fit_beta(x)
        np.testing.assert_allclose(
            [fit.lo - (1e-5 if fit.fitted else 0), fit.hi], np.percentile(x, [5, 95]), rtol=1e-6, atol=2e-5
        )


def test_beta_recovers_the_weights_of_two_known_betas():
    x, noisy = two_betas(100_000)
    fit = fit_beta(x, iterations=100)
    assert fit.fitted
    assert fit.weight[1] == pytest.approx(noisy.mean(), abs=0.05)
    assert ((fit.posterior(x) > 0.5) == noisy).mean() > 0.93


@settings(max_examples=40, deadline=None)
@given(
    a=st.lists(st.floats(0.2, 20), min_size=2, max_size=2),
    b=st.lists(st.floats(0.2, 20), min_size=2, max_size=2),
    w=st.floats(0.01, 0.99),
)
def test_beta_posterior_never_falls_as_the_loss_grows(a, b, w):
    a, b = np.array(a), np.array(b)
    order = np.argsort(a / (a + b))
    mixture = BetaMixture(a[order], b[order], np.array([1 - w, w]), 0.0, 1.0, fitted=True)
    near = np.linspace(-2e-3, 2e-3, 300)  # of the cuts, and of two points of the table
    losses = np.sort(
        np.r_[np.linspace(-0.5, 2, 500), near, near + 1, near + GRID[50], near + GRID[98], [-np.inf, np.inf]]
    )
    for dtype in (np.float64, np.float32, np.float16):
        posterior = mixture.posterior(losses.astype(dtype))
        assert (np.diff(posterior) >= 0).all()
        assert posterior.min() >= 0
        assert posterior.max() <= 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), low=st.floats(0.1, 2), high=st.floats(0.5, 8), share=st.floats(0.05, 0.6))
def test_a_fitted_beta_posterior_never_falls(seed, low, high, share):
    rng = np.random.default_rng(seed)
    losses = np.where(rng.random(2000) < share, rng.gamma(9, high / 9, 2000), rng.gamma(1.2, low, 2000))
    mixture = fit_beta(losses)
    cuts = np.array([mixture.lo, mixture.hi])[:, None] + np.linspace(-0.01, 0.01, 500)
    assert (np.diff(mixture.posterior(np.sort(np.r_[losses, cuts.ravel()]))) >= 0).all()


@pytest.mark.parametrize("fit", [fit_beta, fit_gaussian])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float16, np.float32])
def test_whole_numbers_and_short_floats_are_read_as_what_they_are(fit, dtype):
    losses = np.round(two_betas(3000)[0] * 40)
    fine = fit(losses)
    w = fit(losses.astype(dtype)).posterior(losses.astype(dtype))
    assert len(np.unique(w)) > 10
    np.testing.assert_allclose(w, fine.posterior(losses), atol=1e-3)
    np.testing.assert_allclose(
        fine.posterior(losses[:20].astype(int).tolist()), fine.posterior(losses[:20]), atol=1e-12
    )


@pytest.mark.parametrize("fit", [fit_beta, fit_gaussian])
def test_an_infinite_loss_is_among_the_worst_and_changes_no_other(fit):
    losses = two_betas(2000)[0]
    clean = fit(losses).posterior(losses)
    w = fit(np.append(losses, [np.inf, -np.inf])).posterior(np.append(losses, [np.inf, -np.inf]))
    np.testing.assert_allclose(w[:-2], clean, atol=1e-9)
    assert w[-2] >= clean[losses.argmax()] and w[-1] <= clean[losses.argmin()]


def test_beta_tail_is_repaired_but_the_middle_is_the_posterior():
    beta = pytest.importorskip("scipy.stats").beta
    mixture = BetaMixture(np.array([1.0, 3.0]), np.array([2.0, 5.0]), np.array([0.5, 0.5]), 0.0, 1.0, fitted=True)
    p0, p1 = beta.pdf(GRID, 1, 2), beta.pdf(GRID, 3, 5)
    w = p1 / (p0 + p1)
    top = w.argmax()
    assert top < 90  # this pair bends down near 1
    np.testing.assert_allclose(mixture.table()[: top + 1], w[: top + 1], atol=1e-9)
    assert (mixture.table()[top:] == mixture.table()[top]).all()


def test_a_broad_upper_component_does_not_doubt_the_smallest_losses():
    beta = pytest.importorskip("scipy.stats").beta
    mixture = BetaMixture(np.array([4.55, 0.48]), np.array([32.7, 0.8]), np.array([0.8, 0.2]), 0.0, 1.0, fitted=True)
    w = 0.2 * beta.pdf(GRID, 0.48, 0.8) / (0.8 * beta.pdf(GRID, 4.55, 32.7) + 0.2 * beta.pdf(GRID, 0.48, 0.8))
    turn = w.argmin()
    assert w[0] == w[-1] == 1 and 5 < turn < 20  # it rises towards both ends
    np.testing.assert_allclose(mixture.table()[turn:], w[turn:], atol=1e-9)
    np.testing.assert_allclose(mixture.table()[:turn], w[turn], atol=1e-9)


def test_losses_with_outliers_are_not_all_doubted():
    rng = np.random.default_rng(0)
    anywhere = rng.random(10_000) < 0.2
    losses = np.where(anywhere, 4 * rng.random(10_000), np.abs(rng.normal(0.8, 0.15, 10_000)))
    w = fit_beta(losses).posterior(losses)
    assert w[~anywhere].mean() < 0.2 and w[losses > 1.6].mean() > 0.9


def test_ties_at_the_upper_percentile_belong_to_the_fit():
    rng = np.random.default_rng(0)
    losses = np.r_[rng.exponential(0.5, 900), np.full(100, 9.1)]
    np.testing.assert_allclose(fit_beta(losses.astype(np.float32)).weight, fit_beta(losses).weight, atol=1e-3)


@pytest.mark.parametrize("fit", [fit_beta, fit_gaussian])
@pytest.mark.parametrize("losses", [np.full(500, 0.7), np.array([]), np.array([1.0]), np.full(9, np.nan)])
def test_a_fit_with_nothing_to_separate_is_marked(fit, losses):
    mixture = fit(losses)
    assert not mixture.fitted
    np.testing.assert_array_equal(mixture.posterior(np.array([0.0, 0.7, 9.0])), 0)


@pytest.mark.parametrize("fit", [fit_beta, fit_gaussian])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nan_is_ignored_and_the_input_stays(fit, dtype):
    x = two_betas(5000)[0].astype(dtype)
    holed = np.append(x, [np.nan, np.inf]).astype(dtype)
    before = holed.copy()
    np.testing.assert_allclose(fit(holed).weight, fit(x).weight, atol=1e-9)
    np.testing.assert_array_equal(holed, before)


@pytest.mark.parametrize("fit", [fit_beta, fit_gaussian])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 400), kind=st.sampled_from(["exponential", "two", "ties", "heavy"]))
def test_posterior_is_always_a_probability(fit, seed, n, kind):
    rng = np.random.default_rng(seed)
    x = {
        "exponential": rng.exponential(size=n),
        "two": rng.choice([0.0, 3.0], n),
        "ties": np.round(rng.gamma(2, 1, n)),
        "heavy": np.exp(3 * rng.standard_cauchy(n).clip(-5, 5)),
    }[kind]
    mixture = fit(x)
    posterior = mixture.posterior(x)
    assert np.isfinite(posterior).all()
    assert (posterior >= 0).all()
    assert (posterior <= 1).all()


def test_gaussian_equals_scikit_learn():
    mixture = pytest.importorskip("sklearn.mixture")
    x = two_betas(20_000, seed=3)[0]
    scaled = ((x - x.min()) / (x.max() - x.min())).reshape(-1, 1)
    theirs = mixture.GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0).fit(scaled)
    order = theirs.means_[:, 0].argsort()
    ours = fit_gaussian(x)
    np.testing.assert_allclose(ours.mean, theirs.means_[order, 0], atol=2e-3)
    np.testing.assert_allclose(ours.variance, theirs.covariances_[order, 0, 0], atol=5e-4)
    np.testing.assert_allclose(ours.weight, theirs.weights_[order], atol=5e-3)
    np.testing.assert_allclose(ours.posterior(x), theirs.predict_proba(scaled)[:, order[1]], atol=2e-2)


def gaussian_by_example(x, max_iter=10, tol=1e-2, reg_covar=5e-4):
    """EM over single values in [0, 1], from the two-means split; ends when the mean log-likelihood gains less than
    tol."""
    x = (x - x.min()) / (x.max() - x.min())
    upper = x > 0.5
    for _ in range(100):
        upper = x > (x[upper].mean() + x[~upper].mean()) / 2
    r, before, steps = np.stack([~upper, upper]).astype(float), -np.inf, 0
    while True:
        total = r.sum(1)
        mean = r @ x / total
        variance = (r * (x - mean[:, None]) ** 2).sum(1) / total + reg_covar
        if steps == max_iter:
            break
        joint = total[:, None] / len(x) * np.exp(-((x - mean[:, None]) ** 2) / variance[:, None] / 2)
        joint /= np.sqrt(2 * np.pi * variance)[:, None]
        likelihood = np.log(joint.sum(0)).mean()
        if steps and abs(likelihood - before) < tol:
            r = joint / joint.sum(0)
            total = r.sum(1)
            mean = r @ x / total
            variance = (r * (x - mean[:, None]) ** 2).sum(1) / total + reg_covar
            break
        r, before, steps = joint / joint.sum(0), likelihood, steps + 1
    return mean, variance, total / len(x)


@pytest.mark.parametrize(("share", "mean", "spread", "core"), [(0.05, 6, 3, 0.3), (0.5, 0.5, 2, 0.1)])
def test_gaussian_parameters_equal_em_over_single_losses(share, mean, spread, core):
    rng = np.random.default_rng(0)
    x = np.where(rng.random(4000) < share, rng.normal(mean, spread, 4000), rng.normal(0, core, 4000))
    for more in ({}, {"tol": 0.0}):
        fit = fit_gaussian(x, **more)
        for ours, theirs in zip((fit.mean, fit.variance, fit.weight), gaussian_by_example(x, **more), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=6e-4)  # a bin is 2.4e-4
    early, ten = fit_gaussian(x, tol=0.1), fit_gaussian(x, tol=0.0)
    assert np.abs(early.mean - fit_gaussian(x).mean).max() > 1e-3, "otherwise the test could not fail"
    assert np.abs(ten.mean - fit_gaussian(x, tol=0.0, max_iter=3).mean).max() > 1e-3


def test_a_component_of_less_than_a_thousandth_is_refused():
    rng = np.random.default_rng(0)
    for outliers, fitted in ((30, True), (5, False)):
        losses = np.r_[rng.normal(1, 0.05, 10_000 - outliers), rng.normal(9, 0.05, outliers)]
        assert fit_gaussian(losses).fitted == fitted


def test_losses_are_looked_up_within_a_thousandth_of_the_range():
    mixture = BetaMixture(np.array([1.0, 3.0]), np.array([2.0, 5.0]), np.array([0.5, 0.5]), 0.0, 1.0, fitted=True)
    looked_up = mixture.posterior(np.array([-1.0, 0.0, 0.001, 0.004, 0.5]))
    np.testing.assert_allclose(
        looked_up, np.interp([0.001, 0.001, 0.001, 0.004, 0.5], GRID, mixture.table()), rtol=1e-5
    )
    steep = BetaMixture(np.array([2.0, 8.0]), np.array([8.0, 2.0]), np.array([0.5, 0.5]), 0.0, 1.0, fitted=True)
    top = steep.posterior(np.array([0.99, 0.999, 1.0, 7.0]))
    np.testing.assert_allclose(top, np.interp([0.99, 0.999, 0.999, 0.999], GRID, steep.table()), rtol=1e-6)
