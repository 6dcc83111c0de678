"""Settings of detectors from Python and the command line: they act, are recorded, and mistakes are sentences."""

import json

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.cli.detectors_option import read_option
from labelsieve.core.errors import UserError

N, K = 150, 3


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    truth = np.arange(N) % K
    x = rng.normal(size=(N, 8)) + 2.5 * rng.normal(size=(K, 8))[truth]
    return x.astype(np.float32), np.where(rng.random(N) < 0.15, (truth + 1) % K, truth)


def test_a_setting_acts_and_is_recorded(data, tmp_path):
    x, y = data
    found = ls.find(ls.load(x, labels=y), detectors={"o2u": {"forget_rate": 0.1}, "aum": {}}, out=tmp_path / "a.sieve")
    score = found.scores["o2u"]
    assert found.flags["o2u"].sum() == 15 and score[found.flags["o2u"]].min() >= score[~found.flags["o2u"]].max()
    assert list(found.scores) == ["o2u", "aum", "consensus"]
    saved = json.loads((tmp_path / "a.sieve" / "run.json").read_text())["settings"]
    assert saved["detectors"] == ["o2u", "aum", "consensus"]
    assert saved["detector_settings"] == {"o2u": {"forget_rate": 0.1}}


def test_another_setting_in_the_same_folder_is_computed_anew(data, tmp_path):
    x, y = data
    loaded = ls.load(x, labels=y)
    asked = {"consensus": {"k": 5, "trust": 1.0}, "o2u": {"per_class": True}}
    ls.find(loaded, out=tmp_path / "a.sieve", detectors=["o2u"])
    again = ls.find(loaded, out=tmp_path / "a.sieve", detectors=asked)
    fresh = ls.find(loaded, out=tmp_path / "b.sieve", detectors=asked)
    assert again.table().equals(fresh.table())
    assert ls.open_run(tmp_path / "a.sieve").findings.settings["detector_settings"] == asked
    plain = ls.find(loaded, detectors=["o2u"])
    assert (plain.scores["consensus"] != again.scores["consensus"]).any()
    assert (plain.scores["o2u"] != again.scores["o2u"]).any()


def test_defaults_by_name_are_the_defaults(data):
    x, y = data
    constants = {"k": 20, "sharpness": 8.0, "spread": 0.1, "trust": 0.5, "prior": 2.0, "steps": 12, "floor": 1e-6}
    named = {"consensus": constants, "knn_vote": {"k": 10}, "promix": {"tau": 0.99, "last": 10, "rho": None}}
    loaded = ls.load(x, labels=y)
    assert ls.find(loaded, detectors=named).table().equals(ls.find(loaded, detectors=list(named)).table())


def test_the_command_line_says_the_same(data, tmp_path, monkeypatch):
    x, y = data
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", features=x, labels=y)
    option = "o2u:forget_rate=10%:per_class=true,promix:per_class=balanced,aum"
    assert main(["find", "d.npz", "--detectors", option, "--out", "a.sieve"]) == 0
    named = {"o2u": {"forget_rate": 0.1, "per_class": True}, "promix": {"per_class": "balanced"}, "aum": {}}
    told = ls.open_run("a.sieve").findings
    assert told.settings["detector_settings"] == {"o2u": named["o2u"], "promix": named["promix"]}
    assert told.table().drop_columns(["id"]).equals(ls.find("d.npz", detectors=named).table().drop_columns(["id"]))


def test_the_option_is_a_list_where_nothing_is_set():
    assert read_option("o2u, aum") == ["o2u", "aum"]
    assert read_option("o2u:forget-rate=0.1") == {"o2u": {"forget_rate": 0.1}}
    assert read_option(None) is read_option("") is None


def test_numbers_of_numpy_are_numbers(data):
    x, y = data
    loaded = ls.load(x, labels=y)
    plain = {"o2u": {"forget_rate": 0.5, "per_class": True}, "knn_vote": {"k": 5}, "consensus": {"trust": 0.5}}
    same = {
        "o2u": {"forget_rate": np.float32(0.5), "per_class": np.bool_(True)},
        "knn_vote": {"k": np.int64(5)},
        "consensus": {"trust": np.float16(0.5)},
    }
    found = ls.find(loaded, detectors=same)
    assert found.table().equals(ls.find(loaded, detectors=plain).table())
    assert found.settings["detector_settings"] == plain


@pytest.mark.parametrize(
    ("detectors", "sentence"),
    [
        ({"o2": {}}, "There is no detector 'o2'. Did you mean 'o2u'"),
        ({"o2u": {"forget_rat": 0.1}}, "no setting 'forget_rat'. Did you mean 'forget_rate'.*per_class, forget_rate"),
        ({"gce": {"q": 0.5}}, "The detector 'gce' has no setting 'q'. It has no settings"),
        ({"o2u": {"forget_rate": 10}}, "forget_rate' of the detector 'o2u' is 10; write 10%"),
        ({"o2u": {"forget_rate": "much"}}, "is 'much'; write it as 20% or 0.2"),
        ({"o2u": {"per_class": 1}}, "is 1; it must be true or false"),
        ({"promix": {"last": 0}}, "is 0; it must be 1 or more"),
        ({"promix": {"last": 2.5}}, "is 2.5; it must be a whole number"),
        ({"promix": {"per_class": "fair"}}, "choose one of balanced, proportional"),
        ({"aum": {"percentile": 101}}, "it must be from 0 to 100"),
        ({"aum": {"percentile": float("nan")}}, "it must be a number"),
        ({"aum": {"percentile": None}}, "is None; it must be a number"),
        ({"knn_vote": {"k": 22}}, "it must be from 2 to 21"),
        ({"blurry": {"rule": "some"}}, "choose one of prune_by_noise_rate"),
        ({"consensus": {"trust": 2}}, "it must be from 0 to 1"),
        ({"o2u": 0.1}, "settings of the detector 'o2u' are 0.1; pass a dict"),
        ({}, "an empty dict"),
        ({"O2U": {}}, "There is no detector 'O2U'. Did you mean 'o2u'"),
        ({"confident_learning": {"rule": np.array(["both", "both"])}}, "choose one of prune_by_noise_rate"),
        ({"knn_vote": {"k": np.array([5, 6])}}, "it must be a whole number"),
        ({"consensus": {"sharpness": 10**400}}, "it must be a number|from 0 to"),
        ({"beta_mixture": {"last": 10**400}}, "it must be a whole number|from 1 to"),
        ({3: {}}, "detectors contains 3"),
    ],
)
def test_mistakes_are_sentences(data, detectors, sentence):
    x, y = data
    with pytest.raises(UserError, match=sentence):
        ls.find(ls.load(x, labels=y), detectors=detectors)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("o2u:forget_rate", "'forget_rate' is not NAME=VALUE, as in o2u:forget_rate=0.1"),
        ("o2u:forget_rate=", "is not NAME=VALUE"),
        ("o2u,o2u:forget_rate=0.1", "names 'o2u' twice"),
        ("o2u:forget_rate=0.1:forget_rate=0.2", "forget_rate is set twice"),
        ("o2u:forget_rate=2", "is 2; write 2%"),
        ("o2u:", "lacks a name between commas or a setting after a colon"),
        ("aum,,o2u", "lacks a name between commas"),
        (":forget_rate=0.1", "lacks a name"),
        (",", "lacks a name"),
    ],
)
def test_mistakes_on_the_command_line_too(data, tmp_path, monkeypatch, capsys, option, sentence):
    x, y = data
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", features=x, labels=y)
    assert main(["find", "d.npz", "--detectors", option]) == 2
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1
