"""Optional packages are imported where they are used; if one is missing, a message names the extra to install."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from labelsieve.core.errors import UserError


def need(module: str, what: str, extra: str, named: str = "") -> ModuleType:
    """The imported module.

    Args:
        module: its name; `named` is the package's usual name.
        what: what needs it; the first words of the message.
        extra: the extra of Labelsieve that installs it.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f"{what} needs {named or module}; install it with: pip install 'labelsieve[{extra}]'"
        ) from error


def need_torch(what: str) -> None:
    """Raise a UserError where PyTorch is not installed."""
    need("torch", what, "train", "PyTorch")
