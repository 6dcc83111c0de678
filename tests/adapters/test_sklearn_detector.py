"""The scikit-learn estimator: scikit-learn's own checks, and what they do not cover."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from labelsieve.adapters.sklearn import LabelErrorDetector
from labelsieve.core.errors import UserError
from labelsieve.pipeline import find

QUICK = ["gce"]


@parametrize_with_checks([LabelErrorDetector()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)
