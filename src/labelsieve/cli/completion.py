"""labelsieve completion: the script that lets a shell complete commands and options."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="The shell.")],
    /,
) -> None:
    """Print the script that lets the shell complete commands and options; nothing is installed."""
    from labelsieve.cli.app import app

    print(app.generate_completion(shell=shell, prog_name="labelsieve"))
