"""A random sample that the page draws: from what nobody has decided, and kept in the run."""

from uuid import uuid4

from labelsieve.store import run, sample_files


def decide(page, rows, act="keep", who="ann"):
    body = {"batch": str(uuid4()), "acts": [{"i": i, "act": act} for i in rows]}
    assert page.post("/api/decisions", json=body, headers={"X-Reviewer": who}).status_code == 200


def draw(page, name="drawn", size=60):
    return page.post("/api/sample", json={"name": name, "size": size})


def test_only_what_is_not_decided_is_drawn(page, sieve):
    ids = run.load(sieve).ids
    decide(page, range(50))
    decide(page, [50], "later")
    decide(page, [51], "keep")
    decide(page, [51], "exclude", who="bob")  # a conflict is open too
    assert draw(page).json() == {"name": "drawn", "size": 10}
    assert set(sample_files.load(sieve, "drawn").ids) == set(ids[50:])
    assert {item["i"] for item in page.get("/api/items?sample=drawn&state=all").json()["items"]} == {*range(50, 60)}


def test_a_name_has_one_sample(page, sieve):
    assert draw(page, size=5).json()["size"] == 5
    before = sample_files.load(sieve, "drawn")
    assert draw(page, size=9).json() == {"name": "drawn", "size": 5}
    assert sample_files.load(sieve, "drawn") == before


def test_there_is_no_sample_where_all_is_decided(page, sieve):
    decide(page, range(60))
    answer = draw(page)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Every example is decided, so there is nothing to draw a sample from."
    assert sample_files.names(sieve) == []


def test_names_and_sizes_that_no_sample_has(page, sieve):
    for name, size in (("a b", 5), ("../out", 5), ("", 5), ("accept-june", 5), ("drawn", 0), ("drawn", True)):
        assert draw(page, name, size).status_code == 400
    assert sample_files.names(sieve) == []
