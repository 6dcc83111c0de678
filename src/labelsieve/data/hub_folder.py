"""Saves a Hugging Face data set as a folder on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError


def save(dataset: Any, out: Path) -> None:
    """Save the data set to `out` without a progress bar."""
    datasets = require_datasets()
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        dataset.save_to_disk(str(out))
    finally:
        if shown:
            datasets.enable_progress_bars()


def require_datasets() -> Any:
    """The package `datasets`.

    Raises:
        UserError: it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise UserError("Hugging Face's format needs its package: pip install 'labelsieve[hub]'.") from error
    return datasets
