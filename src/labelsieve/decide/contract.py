"""The gate: does a data set, after its decisions, keep a contract? Each rule gives a sentence and the offending ids.

The contract is a TOML file with one line per rule; rules that it does not name are not checked. docs/gate.md explains
each rule.
Cost: sorts of the labels and of the groups of duplicates; nothing is trained, and only the run is read.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError, meant
from labelsieve.core.leaks import find_leaks
from labelsieve.core.shares import percent, share
from labelsieve.decide.diff import DatasetVersion
from labelsieve.stats.duplicates import conflicts

_SHARES = ("max_error_upper", "no_unreviewed_above", "max_excluded", "min_reviewed")
SHOWN = 20  # offending ids that a rule lists


@dataclass(frozen=True)
class Contract:
    """The limits; None means not checked. An int counts examples; a float, where allowed, is a share of all
    examples."""

    max_error_upper: float | None = None
    conflicting_duplicates: int | None = None
    min_class_size: int | None = None
    no_unreviewed_above: float | None = None
    no_worse_than_last: bool | None = None
    max_excluded: int | float | None = None
    min_reviewed: int | float | None = None
    classes: tuple[str, ...] | None = None
    max_leaks: int | None = None


@dataclass(frozen=True)
class Rule:
    """The result of one rule. `ids` are the first of the `offending` examples; `value` is None if there was nothing to
    compare with."""

    name: str
    limit: Any
    value: Any
    holds: bool
    sentence: str
    offending: int = 0
    ids: tuple[str, ...] = ()


def read_contract(path: str | Path) -> Contract:
    """Return the contract in a TOML file.

    Raises:
        UserError: the file does not exist or is not TOML, a rule is unknown, a limit has the wrong kind, or there is no
            rule.
    """
    try:
        with open(path, "rb") as file:
            written = tomllib.load(file)
    except OSError as error:
        raise UserError(f"The contract {path} cannot be read ({error.strerror or error}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        syntax_hint = '; write a share in quotes, as "3%", or as 0.03' if _bare_percent(path) else ""
        raise UserError(f"The contract {path} is not TOML ({error}){syntax_hint}.") from error
    known = [field.name for field in fields(Contract)]
    for name, limit in written.items():
        if name not in known:
            near = meant(name, known) or f" The rules are {', '.join(known)}."
            raise UserError(f"The contract {path} has no rule {name!r}.{near}")
        if name in _SHARES and isinstance(limit, str):
            written[name] = limit = share(limit, f"The contract {path}: {name}")
        expected = _mistake(name, limit)
        if expected:
            raise UserError(f"The contract {path}: {name} must be {expected}, not {limit!r}.")
    if not written:
        raise UserError(f"The contract {path} is empty; the rules are {', '.join(known)}.")
    if "classes" in written:
        written["classes"] = tuple(written["classes"])
    return Contract(**written)


def _bare_percent(path: str | Path) -> bool:
    """Whether a line holds 3% without quotes, which is not valid TOML."""
    return re.search(rb"=\s*[\d.]+\s*%", Path(path).read_bytes()) is not None


def _mistake(name: str, limit: Any) -> str | None:
    """What the limit should be, or None if it is valid."""
    number = isinstance(limit, int | float) and not isinstance(limit, bool)
    whole = number and isinstance(limit, int) and limit >= 0
    part = number and 0 <= limit <= 1
    if name == "no_worse_than_last":
        return None if isinstance(limit, bool) else "true or false"
    if name == "classes":
        good = isinstance(limit, list) and limit and all(isinstance(item, str) for item in limit)
        return None if good else "a list of class names"
    if name in ("max_error_upper", "no_unreviewed_above"):
        return None if part else 'a number from 0 to 1, or a text such as "3%"'
    if name in ("max_excluded", "min_reviewed"):
        good = whole or (isinstance(limit, float) and part)
        return None if good else "a whole number of examples, or a share such as 0.05"
    return None if whole else "a whole number, 0 or more"


def check(contract: Contract, now: DatasetVersion, last: DatasetVersion | None = None) -> tuple[Rule, ...]:
    """Check every rule that the contract names, in the order of `Contract`.

    Raises:
        UserError: no_worse_than_last without a last version.
    """
    if contract.no_worse_than_last and last is None:
        raise UserError(
            "The contract has the rule no_worse_than_last; pass the last version as <against>.", against="OLD.sieve"
        )
    rules = (
        _error_upper(contract.max_error_upper, now),
        _duplicates(contract.conflicting_duplicates, now),
        _class_size(contract.min_class_size, now, contract.classes or ()),
        _unreviewed(contract.no_unreviewed_above, now),
        _no_worse(contract.no_worse_than_last, now, last),
        _excluded(contract.max_excluded, now),
        _reviewed(contract.min_reviewed, now),
        _classes(contract.classes, now),
        _leaks(contract.max_leaks, now),
    )
    return tuple(rule for rule in rules if rule is not None)


def _rule(name: str, limit: Any, value: Any, holds: bool, sentence: str, ids: np.ndarray | tuple = ()) -> Rule:
    return Rule(
        name,
        limit,
        value,
        bool(holds),
        sentence,
        0 if holds else len(ids),
        () if holds else tuple(map(str, ids[:SHOWN])),
    )


def _error_upper(limit: float | None, now: DatasetVersion) -> Rule | None:
    if limit is None:
        return None
    rate = now.rate_left
    sentence = f"{percent(rate.count, '.2f')} of the labels are still wrong ({now.rate_ends})"
    suspects = np.flatnonzero(~now.reviewed)
    suspects = now.ids[suspects[np.argsort(-now.p_wrong[suspects], kind="stable")]]
    return _rule(
        "max_error_upper",
        limit,
        rate.high,
        rate.high <= limit,
        f"{sentence}; the upper end may be at most {percent(limit, '.2f')}.",
        suspects,
    )


def _duplicates(limit: int | None, now: DatasetVersion) -> Rule | None:
    if limit is None:
        return None
    name = "conflicting_duplicates"
    if now.group is None:
        return Rule(
            name,
            limit,
            None,
            False,
            "The run did not look for duplicates (it was made from probabilities); remove the rule, or use another "
            "run.",
        )
    at = np.flatnonzero(now.kept & (now.group >= 0))
    clash = conflicts(now.group[at], now.labels[at])
    members = at[np.isin(now.group[at], clash)]
    members = members[np.argsort(now.group[members], kind="stable")]
    found = len(np.unique(clash // now.several)) if now.several else len(clash)  # groups of examples
    sentence = f"{_counted(found, 'group')} of duplicates have labels that disagree; at most {limit:,} may."
    return _rule(name, limit, found, found <= limit, sentence, now.ids[members])


def _leaks(limit: int | None, now: DatasetVersion) -> Rule | None:
    if limit is None:
        return None
    if now.group is None or now.splits is None:
        why = "The data of the run have no splits" if now.splits is None else "The run did not look for duplicates"
        return Rule("max_leaks", limit, None, False, f"{why}; remove the rule, or use another run.")
    at = np.flatnonzero(now.kept)
    found = find_leaks(now.splits[at], now.group[at], now.labels[at], None)
    leaked = at[found.rows[found.leaked]]
    if now.several:  # each example once, by the first of its questions
        leaked = leaked[np.sort(np.unique(leaked // now.several, return_index=True)[1])]
    count = _counted(len(leaked), "example")
    sentence = f"{count} of a split are also in another, as exact or near duplicates; at most {limit:,} may be."
    return _rule("max_leaks", limit, len(leaked), len(leaked) <= limit, sentence, now.ids[leaked])


def _class_size(limit: int | None, now: DatasetVersion, expected: tuple[str, ...]) -> Rule | None:
    if limit is None:
        return None
    sizes = dict.fromkeys(expected, 0) | now.class_sizes()
    least = min(sizes, key=lambda name: sizes[name])
    small = [name for name in sizes if sizes[name] < limit]
    sentence = f"The smallest class, {least[:80]!r}, has {sizes[least]:,} examples; each class must have {limit:,}."
    if len(small) > 1:
        smallest = f"the smallest, {least[:80]!r}, has {sizes[least]:,}"
        sentence = f"{len(small):,} classes have fewer than {limit:,} examples; {smallest}."
    rows = now.kept & np.isin(now.labels, [i for i, name in enumerate(now.names) if sizes[name] < limit])
    return _rule("min_class_size", limit, sizes[least], not small, sentence, now.ids[rows])


def _unreviewed(limit: float | None, now: DatasetVersion) -> Rule | None:
    if limit is None:
        return None
    above = np.flatnonzero(~now.reviewed & (now.p_wrong > limit))
    above = above[np.argsort(-now.p_wrong[above], kind="stable")]
    sentence = f"{_counted(len(above), 'unreviewed example')} have p(wrong) above {limit:g}; none may."
    return _rule("no_unreviewed_above", limit, len(above), not len(above), sentence, now.ids[above])


def _no_worse(required: bool | None, now: DatasetVersion, last: DatasetVersion | None) -> Rule | None:
    if not required or last is None:
        return None
    last_high, high = last.rate_left.high, now.rate_left.high
    shares = percent(high, ".2f"), percent(last_high, ".2f")
    sentence = f"The upper end of the share still wrong is {shares[0]}; in the last version it was {shares[1]}."
    return _rule("no_worse_than_last", last_high, high, high <= last_high + 1e-9, sentence)


def _excluded(limit: int | float | None, now: DatasetVersion) -> Rule | None:
    if limit is None:
        return None
    excluded = np.concatenate([now.ids[~now.kept], np.array(now.left_out, object)])
    n = len(now.ids) + len(now.left_out)
    value = len(excluded) / max(1, n) if isinstance(limit, float) else len(excluded)
    counted = f"{_counted(len(excluded), 'example')} of {n:,} are left out"
    sentence = f"{counted} (unreadable, or excluded by reviewers); at most {_limit(limit)} may be."
    return _rule("max_excluded", limit, value, value <= limit, sentence, excluded)


def _reviewed(limit: int | float | None, now: DatasetVersion) -> Rule | None:
    if limit is None:
        return None
    done = int(now.reviewed.sum())
    value = done / max(1, len(now.ids)) if isinstance(limit, float) else done
    sentence = f"{_counted(done, 'example')} of {len(now.ids):,} are reviewed; at least {_limit(limit)} must be."
    return _rule("min_reviewed", limit, value, value >= limit, sentence)


def _classes(limit: tuple[str, ...] | None, now: DatasetVersion) -> Rule | None:
    if limit is None:
        return None
    present = [name for name, size in now.class_sizes().items() if size]
    missing, unexpected = [c for c in limit if c not in set(present)], [c for c in present if c not in set(limit)]
    parts = [
        f"{word} {', '.join(repr(c[:80]) for c in some[:5])}{' …' if len(some) > 5 else ''}"
        for word, some in (("missing:", missing), ("not expected:", unexpected))
        if some
    ]
    sentence = (
        f"The classes differ from the expected ones; {'; '.join(parts)}."
        if parts
        else f"The {len(limit):,} expected classes are present, and no others."
    )
    rows = now.kept & np.isin(now.labels, [i for i, name in enumerate(now.names) if name in set(unexpected)])
    return _rule("classes", list(limit), len(present), not parts, sentence, now.ids[rows])


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _limit(limit: int | float) -> str:
    return percent(limit, ".2f") if isinstance(limit, float) else f"{limit:,}"
