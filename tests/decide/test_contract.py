"""The contract, its rules one by one, and the difference of two versions."""

import numpy as np
import pytest

from labelsieve.core.dataset import Exclusion
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.contract import Contract, check, read_contract
from labelsieve.decide.diff import dataset_version, difference

P = np.array([0.99, 0.95, 0.6, 0.2, 0.1, 0.05, 0.01, 0.01])


def findings(ids="abcdefgh", group=(0, 0, -1, -1, 4, 4, -1, -1), excluded=()):
    n = len(ids)
    given = np.array([0, 1, 0, 0, 1, 1, 1, 2])[:n]
    group = np.array(group)[:n]
    return Findings(
        ids=np.array(list(ids), object),
        classes=("cat", "dog", "fox"),
        given=given,
        other=(given + 1) % 3,
        p_wrong=P[:n],
        rank=np.arange(1, n + 1),
        flagged=P[:n] > 0.5,
        scores={},
        extra={"duplicate_group": group},
        wrong=Estimate(3, 2, 4),
        excluded=excluded,
    )


def decided(*acts):
    rows = [
        Decision(id=key, act=act, label=label, reviewer="ann", at=str(i), batch=str(i))
        for i, (key, act, label) in enumerate(acts)
    ]
    return Fold(rows)


def stands(fold=None, left=None, **given):
    found = findings(**given)
    return dataset_version(found, fold or Fold(), found.p_wrong, left or Estimate(2, 1, 4))


def one(rule, now, last=None):
    (answer,) = check(Contract(**rule), now, last)
    return answer


def write(folder, text):
    path = folder / "labels.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_error_bound_is_the_upper_end_over_the_kept_examples():
    now = stands(
        decided(("a", "exclude", None), ("b", "exclude", None), ("c", "exclude", None)), left=Estimate(0.5, 0.1, 1.0)
    )
    assert one({"max_error_upper": 0.2}, now).value == pytest.approx(1 / 5)
    assert one({"max_error_upper": 0.2}, now).holds
    broken = one({"max_error_upper": 0.19}, now)
    assert not broken.holds
    assert broken.ids == ("d", "e", "f", "g", "h")  # what to look at next: not reviewed, most suspicious first


def test_relabelling_settles_a_duplicate_and_changes_the_class_sizes():
    before, after = stands(), stands(decided(("a", "relabel", "dog")))
    broken = one({"conflicting_duplicates": 0}, before)
    assert (broken.value, broken.ids) == (1, ("a", "b"))
    assert one({"conflicting_duplicates": 0}, after).holds
    assert before.class_sizes() == {"cat": 3, "dog": 4, "fox": 1}
    assert after.class_sizes() == {"cat": 2, "dog": 5, "fox": 1}


def test_excluding_one_of_two_conflicting_duplicates_settles_them():
    assert one({"conflicting_duplicates": 0}, stands(decided(("b", "exclude", None)))).holds


def test_a_run_that_did_not_look_for_duplicates_cannot_promise_any():
    found = findings()
    found.extra.clear()
    assert not one({"conflicting_duplicates": 5}, dataset_version(found, Fold(), found.p_wrong, found.wrong)).holds


def test_min_class_size_counts_an_expected_class_that_is_empty():
    now = stands()
    assert one({"min_class_size": 1}, now).holds
    assert one({"min_class_size": 2}, now).ids == ("h",)
    rules = check(Contract(min_class_size=1, classes=("cat", "dog", "fox", "owl")), now)
    assert [rule.holds for rule in rules] == [False, False]
    assert "owl" in rules[0].sentence and "missing: 'owl'" in rules[1].sentence


def test_unreviewed_flags_are_named_the_worst_first_and_answers_settle_them():
    assert one({"no_unreviewed_above": 0.5}, stands()).ids == ("a", "b", "c")
    fold = decided(("a", "keep", None), ("b", "later", None))
    assert one({"no_unreviewed_above": 0.5}, stands(fold)).ids == ("b", "c")
    assert one({"no_unreviewed_above": 0.99}, stands()).holds  # above, not at


def test_an_answer_on_which_reviewers_differ_is_no_review():
    rows = [Decision("a", "keep", reviewer=who, batch=who) for who in ("ann", "bob")]
    rows[1] = Decision("a", "exclude", reviewer="bob", batch="bob")
    now = stands(Fold(rows))
    assert not now.reviewed.any() and now.kept.all()


def test_no_worse_than_last():
    now, last = stands(left=Estimate(2, 1, 4)), stands(left=Estimate(2, 1, 3.9))
    assert not one({"no_worse_than_last": True}, now, last).holds
    assert one({"no_worse_than_last": True}, last, now).holds
    assert one({"no_worse_than_last": True}, now, now).holds
    assert check(Contract(no_worse_than_last=False, min_reviewed=0), now)[0].name == "min_reviewed"
    with pytest.raises(UserError, match="against='OLD.sieve'"):
        check(Contract(no_worse_than_last=True), now)


def test_excluded_and_reviewed_by_count_and_by_share():
    now = stands(
        decided(("a", "exclude", None), ("b", "keep", None)), excluded=(Exclusion("x", "not an image file"),) * 2
    )
    assert one({"max_excluded": 2}, now).ids == ("a", "x", "x")
    assert one({"max_excluded": 3}, now).holds
    assert one({"max_excluded": 0.3}, now).value == pytest.approx(3 / 10)
    assert one({"min_reviewed": 2}, now).holds and not one({"min_reviewed": 3}, now).holds
    assert one({"min_reviewed": 0.25}, now).holds and not one({"min_reviewed": 0.26}, now).holds


def test_a_class_that_nobody_expected_names_its_examples():
    broken = one({"classes": ("cat", "dog")}, stands(decided(("a", "relabel", "owl"))))
    assert broken.ids == ("a", "h")
    assert "'fox', 'owl'" in broken.sentence


def test_at_most_twenty_offenders_are_named_but_all_are_counted():
    found = findings()
    many = 50
    big = Findings(
        np.array([f"id{i}" for i in range(many)], object),
        found.classes,
        np.zeros(many, np.int64),
        np.ones(many, np.int64),
        np.full(many, 0.95),
        np.arange(1, many + 1),
        np.ones(many, bool),
        {},
        {},
        Estimate(45, 40, 50),
    )
    broken = one({"no_unreviewed_above": 0.9}, dataset_version(big, Fold(), big.p_wrong, big.wrong))
    assert broken.offending == 50 and len(broken.ids) == 20


def test_contract_is_read_and_its_types_kept(tmp_path):
    text = "max_error_upper = 0.03\nconflicting_duplicates = 0\nmax_excluded = 0.05\n"
    text += 'min_reviewed = 200\nclasses = ["cat", "dög"]\n'
    assert read_contract(write(tmp_path, text)) == Contract(
        max_error_upper=0.03, conflicting_duplicates=0, max_excluded=0.05, min_reviewed=200, classes=("cat", "dög")
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_eror_upper = 0.03", "Did you mean 'max_error_upper'"),
        ("colour = 1", "The rules are"),
        ("max_error_upper = 3", "a number from 0 to 1"),
        ("max_error_upper = true", "a number from 0 to 1"),
        ("min_class_size = -1", "a whole number"),
        ("min_class_size = 0.5", "a whole number"),
        ("min_reviewed = 1.5", "a share"),
        ("no_worse_than_last = 1", "true or false"),
        ("classes = []", "a list of class names"),
        ("classes = [1]", "a list of class names"),
        ("[rules]\nmin_class_size = 3", "no rule 'rules'"),
        ("max_error_upper = nan", "a number from 0 to 1"),
        ("max_error_upper =", "is not TOML"),
        ("", "is empty"),
    ],
)
def test_mistakes_in_a_contract(tmp_path, text, told):
    with pytest.raises(UserError, match=told):
        read_contract(write(tmp_path, text))


def test_a_contract_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"none\.toml cannot be read"):
        read_contract(tmp_path / "none.toml")


def test_difference_by_id_whatever_the_order_and_numbering_of_classes():
    old = stands(decided(("b", "exclude", None)), left=Estimate(4, 2, 6))
    found = findings(ids="hgfedcx")
    renamed = Findings(**(vars(found) | {"classes": ("fox", "dog", "cat"), "given": np.array([0, 1, 1, 2, 2, 2, 1])}))
    new = dataset_version(renamed, Fold(), renamed.p_wrong, Estimate(1, 0, 2))
    change = difference(old, new)
    assert change.added.tolist() == ["x"]
    assert sorted(change.removed) == ["a"]  # b had left already
    assert [column.tolist() for column in change.relabelled] == [["e"], ["dog"], ["cat"]]
    assert change.sizes == {"cat": (3, 3), "dog": (3, 3), "fox": (1, 1)}
    assert change.before.count == pytest.approx(4 / 7) and change.now.count == pytest.approx(1 / 7)


def test_a_version_differs_from_itself_in_nothing():
    change = difference(stands(), stands())
    assert not len(change.added) and not len(change.removed) and not len(change.relabelled[0])
