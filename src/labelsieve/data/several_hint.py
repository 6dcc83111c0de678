"""What is said of data that are read with one label per example, although some examples have several."""

from __future__ import annotations

from labelsieve.core.errors import UserError


def several_told(several: int, labelled: int, source: str) -> tuple[str, ...]:
    """A note that `several` of the `labelled` examples are left out because they have several labels each.

    Raises:
        UserError: they are more than half.
    """
    if 2 * several > labelled:
        raise UserError(
            f"Most examples of {source} have several labels each ({several:,} of {labelled:,}); judge each label with "
            "<several>.",
            several=True,
        )
    if several == 1:
        return ("1 example has several labels and is left out; find judges each label with its option several.",)
    which = f"{several:,} examples have several labels each and are"
    return (f"{which} left out; find judges each label with its option several.",) if several else ()
