"""What the names of shards say."""

from __future__ import annotations

import re
from collections.abc import Sequence

SPLITS = ("train", "training", "val", "valid", "validation", "test", "dev")


def split_of(name: str) -> str:
    """The split that a folder or the name of a shard speaks of, as it is written there; "" if it names none."""
    return next((word for word in re.split(r"[^a-z]+", name.lower()) if word in SPLITS), "")


def numbered(splits: Sequence[str]) -> list[str]:
    """An id for each of n examples: its split and its number in it, from 0."""
    numbers = dict.fromkeys(splits, -1)
    ids = []
    for split in splits:
        numbers[split] += 1
        ids.append(f"{split}/{numbers[split]}" if split else str(numbers[split]))
    return ids
