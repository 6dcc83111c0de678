"""labelsieve completion: the script that lets a shell complete commands and options."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from cyclopts import Parameter


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="The shell.")],
    /,
) -> None:
    """Print the script that lets the shell complete commands and options; nothing is installed."""
    from labelsieve.cli.app import app

    print(_with_files(app.generate_completion(shell=shell, prog_name="labelsieve"), shell))


def _with_files(script: str, shell: str) -> str:
    """The script with file names wherever it offers nothing better.

    Many arguments of ours are a path or an address, so their type is text, for which the generated script completes
    nothing. In bash readline's own completion of file names is used, which also knows names with spaces. In zsh the
    function has to have the name of its file, which is `_labelsieve` as for every other program.
    """
    if shell == "bash":
        script = script.replace('COMPREPLY=( $(compgen -f -- "${cur}") )', "COMPREPLY=()")
        return script.replace("\ncomplete -F ", "\ncomplete -o bashdefault -o default -F ")
    if shell == "zsh":
        script = script.replace("_cyclopts_labelsieve", "_labelsieve")
        script = re.sub(r"^( +'\d+:(?:[^':\n]|'\\''|\\:)*)' \\$", r"\1:_files' \\", script, flags=re.MULTILINE)
        return re.sub(r"(\]:[\w-]+)'( \\)?$", r"\1:_files'\2", script, flags=re.MULTILINE)
    return script  # fish completes file names by itself
