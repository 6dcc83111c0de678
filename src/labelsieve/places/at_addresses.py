"""A public function that works with local paths takes addresses too: what it reads is downloaded before, what it writes
is uploaded after, and what it says names the addresses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from labelsieve.core.errors import UserError
from labelsieve.core.files import scratch
from labelsieve.places import paths
from labelsieve.places.transfer import fetched, local_files, upload
from labelsieve.places.working_copy import address_in

Role = Callable[[str], AbstractContextManager[Any]]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def at_addresses(**roles: Role) -> Callable[[_Function], _Function]:
    """Let arguments of a function be addresses.

    Args:
        roles: for an argument, what makes a local path of its address, as `read_from` and `written_to_address`.
    """

    def decorated(function: _Function) -> _Function:
        signature = inspect.signature(function)

        @wraps(function)
        def at(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind_partial(*args, **kwargs)
            found = {name: address_in(value) for name, value in given.arguments.items() if name in roles}
            if not any(found.values()):
                return function(*args, **kwargs)
            with ExitStack() as stack:
                names: dict[str, str] = {}
                beside: dict[str, str] = {}
                for name, address in found.items():
                    if address is not None:
                        given.arguments[name] = stack.enter_context(roles[name](address))
                        names[str(given.arguments[name])] = address
                        if roles[name] is written_to_address:  # a file may get others beside it
                            beside[str(given.arguments[name].parent)] = paths.parent(address)
                names |= beside
                try:
                    return renamed(function(*given.args, **given.kwargs), names)
                except UserError as error:
                    raise error.renamed(names) from error.__cause__

        return at  # type: ignore[return-value]

    return decorated


def renamed(value: Any, names: dict[str, str]) -> Any:
    """The value with addresses in place of local paths: in text, in paths, and in the fields of small results."""
    if isinstance(value, str | Path):
        text = str(value)
        for path, address in names.items():
            text = text.replace(path, address)
        return value if text == str(value) else text
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(renamed(one, names) for one in value)
    if isinstance(value, list):
        return [renamed(one, names) for one in value]
    if isinstance(value, dict):
        return {key: renamed(one, names) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        plain = {name: one for name, one in own.items() if isinstance(one, str | Path | tuple | list | dict)}
        new = {name: renamed(one, names) for name, one in plain.items()}
        return replace(value, **new) if new != plain else value
    return value


@contextmanager
def read_from(address: str) -> Iterator[Path]:
    """A local copy of a file or folder at an address, for the time of the block.

    Raises:
        UserError: it cannot be read.
    """
    with scratch() as folder:
        yield fetched(address, folder)


@contextmanager
def written_to_address(address: str) -> Iterator[Path]:
    """A local path to write to; the file or folder there, and files that were written beside the file, are uploaded if
    the block succeeds. What exists at the address exists locally too: a file with its content, a folder with a first
    file, so that it is refused.

    Raises:
        UserError: it cannot be written, or a file beside it exists at the address.
    """
    with scratch() as folder:
        path = folder / (address.rpartition("/")[2] or "out")
        if paths.is_file(address):
            fetched(address, folder)
        elif paths.is_folder(address):
            path.mkdir()
            (path / "present").write_bytes(b"")
        yield path
        if path.is_dir():
            upload(path, [file.name for file in local_files(path)], address)
        elif path.exists():
            there, names = paths.parent(address), [file.name for file in local_files(folder)]
            for name in names:
                if name != path.name and paths.is_file(paths.join(there, name)):
                    raise UserError(
                        f"{paths.join(there, name)} already exists, and nothing is ever overwritten; name a new file "
                        "with <out>.",
                        out="",
                    )
            upload(folder, names, there)
