import numpy as np
import pytest

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.reviewers import agreement, overlap, plant, reviewers

CLASSES = ("cat", "dog", "fox")


def findings_of(given):
    n = len(given)
    return Findings(
        ids=np.array([f"e{i}" for i in range(n)], object),
        classes=CLASSES,
        given=np.array(given, np.int64),
        other=(np.array(given, np.int64) + 1) % 3,
        p_wrong=np.full(n, 0.5),
        rank=np.arange(1, n + 1),
        flagged=np.zeros(n, bool),
        scores={},
        extra={},
        wrong=Estimate(1.0, 0.0, float(n)),
    )


def said(reviewer, i, label, given=0, **more):
    """A decision that names a class; naming the given one is to keep it."""
    act, name = ("keep", None) if label == given else ("relabel", CLASSES[label])
    return Decision(f"e{i}", act, name, reviewer, f"{i:03d}", f"{reviewer}{i}", **more)


def test_kappa_of_two_reviewers_is_scotts_pi():
    """Worked by hand: 10 examples, 4 both cat, 3 both dog, 3 differ; each class holds half of all answers, so chance is
    one half."""
    ann = [0, 0, 0, 0, 1, 1, 1, 0, 0, 1]
    ben = [0, 0, 0, 0, 1, 1, 1, 1, 1, 0]
    rows = [said("ann", i, a) for i, a in enumerate(ann)] + [said("ben", i, b) for i, b in enumerate(ben)]
    share_cat = (6 + 5) / 20
    chance = share_cat**2 + (1 - share_cat) ** 2
    overall, cat, dog = agreement(findings_of([0] * 10), Fold(rows))
    assert (overall.label, overall.examples) == (None, 10)
    assert overall.agree == pytest.approx(0.7)
    assert overall.kappa == pytest.approx((0.7 - chance) / (1 - chance))
    assert (cat.label, dog.label) == ("cat", "dog")
    assert cat.agree == pytest.approx(2 * 4 / 11)  # of eleven answers "cat", eight met another
    assert cat.kappa == pytest.approx(overall.kappa)  # with two classes both are the same question


def test_kappa_is_one_for_unanimity_and_about_none_for_chance():
    rng = np.random.default_rng(0)
    data = findings_of([0] * 600)
    same = [said(who, i, i % 3) for who in "abc" for i in range(600)]
    assert agreement(data, Fold(same))[0].kappa == pytest.approx(1)
    chance = [said(who, i, int(rng.integers(3))) for who in "abc" for i in range(600)]
    assert abs(agreement(data, Fold(chance))[0].kappa) < 0.06


def test_one_answer_everywhere_has_no_kappa():
    rows = [said(who, i, 0) for who in "ab" for i in range(5)]
    assert np.isnan(agreement(findings_of([0] * 5), Fold(rows))[0].kappa)


def test_no_overlap_no_agreement():
    assert agreement(findings_of([0, 0]), Fold([said("ann", 0, 0), said("ben", 1, 1)])) == ()


def test_keeping_a_label_agrees_with_relabelling_to_it_and_exclusion_is_a_class_of_its_own():
    rows = [said("ann", 0, 0), Decision("e0", "relabel", "cat", "ben", "1", "b0")]
    rows += [Decision("e1", "exclude", None, "ann", "1", "a1"), said("ben", 1, 1)]
    overall, *classes = agreement(findings_of([0, 0]), Fold(rows))
    assert overall.agree == pytest.approx(0.5)
    assert [c.label for c in classes] == ["cat", "dog", "exclude"]


def test_what_each_reviewer_did():
    data = findings_of([0] * 6)
    rows = [
        said("ann", 0, 1, suggestion="dog"),
        said("ann", 1, 2, suggestion="dog"),
        said("ann", 2, 0, suggestion="dog"),
        said("ann", 3, 1, suggestion="dog", blind=True),  # was not shown
        said("ben", 0, 1, suggestion="dog"),
        said("ben", 1, 0, suggestion="cat"),  # suggests the given label: nothing to accept
        said("ben", 4, 1, pick="planted"),
        said("ben", 5, 0, pick="planted"),
    ]
    ann, ben = reviewers(data, Fold(rows), known={"e4": "dog", "e5": "dog"})
    assert (ann.name, ann.answers, ann.acts) == ("ann", 4, {"relabel": 3, "keep": 1})
    assert (ann.offered, ann.accepted, ann.acceptance) == (3, 1, pytest.approx(1 / 3))
    assert (ann.shared, ann.agreed, ann.agreement) == (2, 1, 0.5)
    assert ann.planted_accuracy is None
    assert (ben.offered, ben.accepted) == (1, 1)
    assert (ben.planted, ben.planted_right, ben.planted_accuracy) == (2, 1, 0.5)


def test_an_undone_answer_is_not_held_against_anybody_and_a_settled_conflict_is():
    rows = [said("ann", 0, 0), said("ben", 0, 1), said("eva", 0, 1, pick="settle")]
    assert overlap(Fold(rows)) == (1, 1)
    assert overlap(Fold([*rows, Decision("", "undo", reviewer="ben", at="9", batch="u", target="ben0")])) == (0, 0)


def test_overlap_is_about_right_or_wrong_and_counts_an_example_once():
    rows = [
        said("ann", 0, 1),
        said("ben", 0, 2),
        said("eva", 0, 0),
    ]  # both call it wrong; the third answer is not needed
    rows += [said("ann", 1, 0), said("ben", 1, 1), said("ann", 2, 0)]
    assert overlap(Fold(rows)) == (1, 2)


def test_known_items_are_planted_one_a_block_and_the_queue_keeps_its_order():
    queue, known = np.arange(45), np.array([100, 101, 30])
    mixed = plant(queue, known, every=20, seed=1)
    assert [i for i in mixed if i not in known] == [i for i in range(45) if i != 30]
    assert sorted(i for i in mixed if i in known) == sorted(known)
    assert [np.isin(part, known).sum() for part in (mixed[:21], mixed[21:42], mixed[42:])] == [1, 1, 1]
    assert np.array_equal(plant(queue, known, every=20, seed=1), mixed)
    assert np.array_equal(plant(queue, known[:0], every=20), queue)
    assert len(plant(queue[:0], known)) == 0


def test_an_example_counts_once_however_many_answered_it():
    """Four who all agree on one example, two who differ on the other: half of the weight agrees."""
    rows = [said(who, 0, 0) for who in "abcd"] + [said("a", 1, 0), said("b", 1, 1)]
    overall = agreement(findings_of([0, 0]), Fold(rows))[0]
    assert (overall.examples, overall.agree) == (2, 0.5)


def test_an_ambiguous_answer_is_no_overlap_and_the_next_answer_takes_its_place():
    rows = [Decision("e0", "ambiguous", None, "ann", "000", "a0"), said("ben", 0, 0), said("cem", 0, 1)]
    assert overlap(Fold(rows)) == (1, 1)
    assert overlap(Fold(rows[:2])) == (0, 0)


def test_one_known_item_in_every_twenty_unless_told_otherwise():
    queue, known = np.arange(100), np.arange(200, 230)
    planted = plant(queue, known)
    assert np.isin(planted, known).sum() == 5
    assert planted[~np.isin(planted, known)].tolist() == queue.tolist()
