"""How fast a reviewer decides, as the page says it: seconds per example, from the times in the journal."""

from datetime import UTC, datetime, timedelta

import pytest

from labelsieve.core.decision import Decision
from labelsieve.store import run
from labelsieve.store.journal import Journal

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def journal(sieve, times, sizes=None, *, who="ann", pick="ranked", act="keep", name="batch"):
    """Write one batch at each of the times (seconds), of so many examples."""
    ids, target, rows = run.load(sieve).ids, "batch 0" if act == "undo" else None, []
    for n, second in enumerate(times):
        at = second if isinstance(second, str) else (START + timedelta(seconds=second)).isoformat()
        keys = [""] if act == "undo" else [str(key) for key in ids[: sizes[n] if sizes else 1]]
        rows += [Decision(key, act, None, who, at, f"{name} {n}", pick, target=target) for key in keys]
    opened = Journal(sieve)
    opened.append(rows)
    opened.close()


def pace(page, who="ann"):
    return page.get("/api/view", headers={"X-Reviewer": who}).json()["pace"]


def test_five_gaps_make_a_pace(page, sieve):
    journal(sieve, [0, 10, 22, 30, 41])
    assert pace(page) is None
    journal(sieve, [50], name="one more")
    assert pace(page) == pytest.approx(10)
    assert pace(page, "bob") is None


def test_a_batch_takes_as_long_as_all_its_examples(page, sieve):
    journal(sieve, [0, 10, 50, 60, 75, 85], [7, 1, 8, 1, 3, 1])
    assert pace(page) == pytest.approx(85 / 14)  # what came before the first batch is not known


def test_pauses_and_batches_of_one_moment_do_not_count(page, sieve):
    journal(sieve, [0, 120, 240, 240, 361, 481, 601, 611])
    assert pace(page) == pytest.approx((4 * 120 + 10) / 5)
    journal(sieve, [0, 0, 0, 0, 0, 0, 0, 9], who="bob", name="bob")
    assert pace(page, "bob") is None


@pytest.mark.parametrize("more", [{"pick": "auto"}, {"pick": "import"}, {"act": "undo"}])
def test_only_decisions_of_a_person_count(page, sieve, more):
    journal(sieve, [0, 10, 20])
    journal(sieve, [24, 28], name="between", **more)
    journal(sieve, [30, 40, 50], name="after")
    assert pace(page) == pytest.approx(10)


def test_each_reviewer_has_a_pace_of_their_own(page, sieve):
    for n, second in enumerate([0, 10, 20, 30, 40, 50]):
        journal(sieve, [second], name=f"ann {n}")
        journal(sieve, [second / 2], who="bob", name=f"bob {n}")
    assert (pace(page), pace(page, "bob")) == (pytest.approx(10), pytest.approx(5))


def test_a_row_without_a_time_is_passed_over(page, sieve):
    journal(sieve, [0, 10, "", 20, "yesterday", 30, 40, 50])
    assert pace(page) == pytest.approx(10)


def test_the_last_sixty_batches_make_the_pace(page, sieve):
    slow = [100 * n for n in range(30)]
    journal(sieve, [*slow, *(slow[-1] + 100 + 4 * n for n in range(60))])
    assert pace(page) == pytest.approx(4)
