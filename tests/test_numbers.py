r"""Every measured number on a page stands in a record; what else looks like a measurement says what it is.

A comment below a paragraph, a list or a table written by hand names the records of its numbers:

    <!-- record: large.json results[rows=100000,source=now].anonymous_megabytes; votes.json sets[set=dog].n -->

A value may be followed by `%` (times 100), and by `/`, `-`, `+` or `*` and another value or a number; a point inside a
key is written `\.`. What is no measurement says what it is, `<!-- no record: setting 95, 400; arithmetic 30 -->`;
without numbers it is said of all in the paragraph. Tables between `<!-- table: NAME -->` and `<!-- end -->` are written
from the records.
"""

import json
import operator
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "bench" / "records"
GENERATED = {"commands.md", "python-reference.md", "detectors", "methods"}  # pages and folders, from docstrings
PAGES = [
    *(ROOT / name for name in ("README.md", "README.zh-CN.md", "ARCHITECTURE.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if not GENERATED & {page.name, page.parent.name}),
]
KINDS = {
    "setting": "a default or a limit of the program, or how something was measured",
    "example": "what a command prints for some data",
    "arithmetic": "follows from other numbers of the page",
    "size": "of a data set, a package or a format",
    "tested": "a bound that a test holds",
    "cited": "from a source that the paragraph names",
}
NUMBER = r"(?<![\w.,])(?<!\w-)(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?<=\d)(?![\w]|\.\d|,\d)"
UNIT = r"times|points?|MB|GB|TB|kB|ms|s|seconds?|minutes?|hours?|bytes"
A_SECOND = r"(?:\w+ ){1,5}a second"
MEASURED = re.compile(rf"({NUMBER})(?= ?%| (?:{UNIT})\b| {A_SECOND}\b)|(?<![\w.])(0?\.\d\d+)(?![\w.])")
SIGNS = {"/": operator.truediv, "-": operator.sub, "+": operator.add, "*": operator.mul}


class Paragraph(NamedTuple):
    """`text` without code; `records`: the items of its comment; `others`: numbers by their kind, None for all."""

    text: str
    records: list[str]
    others: dict[str, list[str] | None]


def paragraphs(page: Path) -> list[Paragraph]:
    """What is written by hand on a page, outside blocks of code and of tables from records."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!-- (?:table|options): .*?<!-- end -->", "", text, flags=re.DOTALL)
    out = []
    for part in re.split(r"\n\s*\n", text):
        if part.startswith("    "):
            continue
        notes = " ".join(part.split())
        records = [item for found in re.findall(r"<!-- record: (.*?) -->", notes) for item in items(found)]
        others = {}
        for item in (item for found in re.findall(r"<!-- no record: (.*?) -->", notes) for item in items(found)):
            kind, *numbers = re.split(r",? ", item)
            others[kind] = numbers or None
        plain = re.sub(r"<!--.*?-->|`[^`]*`|\]\([^)]*\)", " ", part, flags=re.DOTALL)
        out.append(Paragraph(" ".join(plain.split()), records, others))
    return out


def items(text: str) -> list[str]:
    return [item.strip() for item in text.split(";")]


def values(records: list[str]) -> dict[str, float]:
    """The value of each item; a file stands before the first of its items."""
    out, name = {}, ""
    for item in records:
        if found := re.match(r"(\S+\.jsonl?) (.*)", item):
            name, item = found[1], found[2]
        out[f"{name} {item}"] = value(name, item)
    return out


def value(name: str, item: str) -> float:
    """`a.b[c=d].e`, then maybe `%`, then maybe signs with further paths or numbers."""
    first, *rest = re.split(r" ([/*+-]) ", item)
    result = part(name, first)
    for sign, other in zip(rest[::2], rest[1::2], strict=True):
        result = SIGNS[sign](result, part(name, other))
    return result


def part(name: str, text: str) -> float:
    path, percent = text.removesuffix(" %"), text.endswith(" %")
    if re.fullmatch(r"[\d.]+", path):
        return float(path)
    found = content(name)
    for key, choice in re.findall(r"((?:[^.\[\]\\]|\\.)+)|\[([^]]*)\]", path):
        key = key.replace("\\", "")
        if key:
            found = found[int(key)] if isinstance(found, list) else found[key]
        else:
            wanted = dict(one.split("=") for one in choice.split(",")) if choice else {}
            rows = [row for row in found if all(str(row.get(k)) == v for k, v in wanted.items())]
            assert len(rows) == 1, f"{name}: {len(rows)} rows with {choice}"
            found = rows[0]
    assert isinstance(found, int | float), f"{name} {path} is no number"
    return 100 * found if percent else found


@cache
def content(name: str):
    assert (RECORDS / name).is_file(), f"there is no record {name}"
    text = (RECORDS / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)


def shows(number: str, value: float) -> bool:
    """Whether the number is the value, rounded to the digits that are written."""
    digits = len(number.partition(".")[2])
    return abs(float(number.replace(",", "")) - abs(value)) <= 0.5 * 10**-digits * (1 + 1e-6)


def measured(text: str) -> list[str]:
    return [found[1] or found[2] for found in MEASURED.finditer(text)]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_numbers_agree_with_their_records(page):
    for paragraph in paragraphs(page):
        numbers = re.findall(NUMBER, paragraph.text)
        for item, found in values(paragraph.records).items():
            assert any(shows(number, found) for number in numbers), f"{item} is {found:.6g}; in: {paragraph.text[:300]}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_looks_measured_names_its_record_or_says_what_it_is(page):
    for paragraph in paragraphs(page):
        assert set(paragraph.others) <= set(KINDS), f"kinds are {', '.join(KINDS)}"
        if None in paragraph.others.values():
            assert not paragraph.records and len(paragraph.others) == 1, f"name the numbers: {paragraph.text[:300]}"
            continue
        recorded = values(paragraph.records).values()
        named = {number for numbers in paragraph.others.values() for number in numbers or ()}
        bare = [
            number
            for number in measured(paragraph.text)
            if number not in named and not any(shows(number, found) for found in recorded)
        ]
        assert not bare, f"no record of {', '.join(bare)} in: {paragraph.text[:300]}"
        assert named <= set(re.findall(NUMBER, paragraph.text)), f"not in the paragraph: {named}"


def test_what_counts_as_measured():
    assert measured("about 5 % and 0.25 s, 1,234 MB; 2.5 times; .85, 0.853 on version 3.11.7 of 40 classes") == [
        *("5", "0.25", "1,234", "2.5", ".85", "0.853")
    ]
    assert measured("199 photographs a second from 2024-01-31, 12 images") == ["199"]
    assert shows("0.85", 0.8549) and not shows("0.85", 0.8551) and shows("1,235", 1234.6)
