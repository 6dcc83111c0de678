"""Conversion to cleanlab's column names and back, with tables from cleanlab itself."""

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.adapters.cleanlab import from_cleanlab, to_cleanlab

pd = pytest.importorskip("pandas")
pytest.importorskip("cleanlab")
from cleanlab.classification import CleanLearning  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402


def blobs(n=200, wrong=10):
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, n)
    given = true.copy()
    given[:wrong] = (given[:wrong] + 1) % 3
    return rng.normal(size=(n, 5)) + 6 * np.eye(3, 5)[true], given


def test_to_cleanlab_uses_its_column_names_and_score_direction():
    features, labels = blobs()
    findings = ls.find(features, labels=labels)
    table = to_cleanlab(findings).to_pandas()
    np.testing.assert_array_equal(table["is_label_issue"], findings.flagged)
    assert table["label_score"].idxmin() == findings.order()[0]
    assert (
        table.loc[~table["is_label_issue"], "predicted_label"] == table.loc[~table["is_label_issue"], "given_label"]
    ).all()


def test_findings_from_a_cleanlab_table():
    features, labels = blobs()
    one_process = CleanLearning(LogisticRegression(), seed=0, find_label_issues_kwargs={"n_jobs": 1})
    issues = one_process.find_label_issues(features, labels)
    findings = from_cleanlab(issues, ids=[f"row {i}" for i in range(200)])
    assert findings.flagged.sum() == issues["is_label_issue"].sum() and findings.flagged[:10].mean() > 0.8
    assert findings.ids[findings.order()[0]] == f"row {issues['label_quality'].idxmin()}"
    second = from_cleanlab(to_cleanlab(findings))
    np.testing.assert_array_equal(second.flagged, findings.flagged)
    np.testing.assert_allclose(second.p_wrong, findings.p_wrong)


def test_other_tables_are_refused():
    with pytest.raises(ls.UserError, match="is_label_issue.*it has a"):
        from_cleanlab(pd.DataFrame({"a": [1]}))
    features, labels = blobs(n=20, wrong=2)
    with pytest.raises(ls.UserError, match="1 ids for 20"):
        from_cleanlab(to_cleanlab(ls.find(features, labels=labels)), ids=["x"])
