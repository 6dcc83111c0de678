import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.random_sample import STRATA, draw, strata
from labelsieve.store import sample_files


def findings_of(p):
    p = np.asarray(p, float)
    n = len(p)
    rank = np.empty(n, np.int64)
    rank[np.argsort(-p, kind="stable")] = np.arange(1, n + 1)
    return Findings(
        ids=np.array([f"e{i}" for i in range(n)], object),
        classes=("a", "b"),
        given=np.zeros(n, np.int64),
        other=np.ones(n, np.int64),
        p_wrong=p,
        rank=rank,
        flagged=p > 0.5,
        scores={"consensus": np.log(p + 1e-9) - np.log(1 - p + 1e-9)},
        extra={},
        wrong=Estimate(float(p.sum()), 0.0, float(n)),
    )


SKEWED = np.concatenate([np.linspace(0, 0.01, 9000), np.linspace(0.01, 0.99, 700), np.full(300, 0.99)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_strata_follow_the_score_and_share_the_expected_spread(p):
    p = np.array(p)
    stratum = strata(p)
    assert stratum.min() >= 0 and stratum.max() < STRATA
    assert (np.diff(stratum[np.argsort(p, kind="stable")]) >= 0).all()


def test_the_strata_of_a_skewed_set_are_narrow_where_it_is_uncertain():
    spread = np.bincount(
        strata(SKEWED), np.sqrt(np.clip(SKEWED, 0.01, 0.99) * (1 - np.clip(SKEWED, 0.01, 0.99))), STRATA
    )
    assert spread.max() / spread.min() < 1.05
    assert np.bincount(strata(SKEWED))[0] > 3 * np.bincount(strata(SKEWED))[STRATA - 2]


def test_the_same_seed_draws_the_same_rows_and_a_larger_sample_continues_a_smaller_one():
    data = findings_of(SKEWED)
    small, large = draw(data, 50, seed=3), draw(data, 130, seed=3)
    assert large.ids[:50] == small.ids
    assert draw(data, 50, seed=3) == small != draw(data, 50, seed=4)
    assert len(set(large.ids)) == 130


def test_each_stratum_gets_its_share_and_says_its_chance():
    data = findings_of(SKEWED)
    sample = draw(data, 200, seed=1)
    stratum = np.array(sample.stratum)
    assert np.bincount(stratum, minlength=STRATA).tolist() == [20] * STRATA
    size = np.bincount(strata(data.p_wrong))
    assert np.allclose(sample.chance, 20 / size[stratum])
    assert sum(1 / c for c in sample.chance) == pytest.approx(len(data))  # the weights add up to the data
    assert np.bincount(np.array(sample.stratum[:20])).tolist() == [2] * STRATA  # a part of it is a sample too


def test_every_row_of_a_stratum_is_as_likely():
    data = findings_of(np.linspace(0.01, 0.99, 60))
    times = np.zeros(60)
    for seed in range(600):
        times[[int(id[1:]) for id in draw(data, 12, seed=seed).ids]] += 1
    stratum, expected = strata(data.p_wrong), 600 * 12 / STRATA / np.bincount(strata(data.p_wrong))
    assert (np.abs(times - expected[stratum]) < 5 * np.sqrt(expected[stratum])).all()


def test_what_was_decided_on_before_is_not_drawn_and_a_census_is_possible():
    data = findings_of(np.linspace(0, 1, 40))
    known = [f"e{i}" for i in range(0, 40, 2)]
    sample = draw(data, 1000, without=known)
    assert sorted(sample.ids) == sorted(set(map(str, data.ids)) - set(known))
    assert set(sample.chance) == {1.0}


def test_a_sample_of_none_is_refused():
    with pytest.raises(UserError, match="at least one"):
        draw(findings_of([0.5]), 0)


def test_a_sample_is_kept_in_the_run_folder(tmp_path):
    sample = draw(findings_of(SKEWED), 30, seed=2, name="first")
    sample_files.save(tmp_path, sample)
    assert sample_files.load(tmp_path, "first") == sample
    assert sample_files.names(tmp_path) == ["first"]


@pytest.mark.parametrize("text", ["", "[]", '{"name": 3}', "{"])
def test_a_damaged_sample_is_said_to_be(tmp_path, text):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "x.json").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        sample_files.load(tmp_path, "x")


def test_a_missing_sample_or_a_name_that_leaves_the_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="no sample named 'x' \\(existing samples: none\\)"):
        sample_files.load(tmp_path, "x")
    with pytest.raises(UserError, match="cannot be the name"):
        sample_files.load(tmp_path, "../run")
