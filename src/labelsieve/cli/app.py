"""All commands, in the order of their use, and the options of every command."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Group, Parameter

import labelsieve
from labelsieve.cli.accept import accept
from labelsieve.cli.apply import apply
from labelsieve.cli.check import check
from labelsieve.cli.compare import compare
from labelsieve.cli.completion import completion
from labelsieve.cli.demo import demo
from labelsieve.cli.diff import diff
from labelsieve.cli.encode import encode
from labelsieve.cli.evaluate import evaluate
from labelsieve.cli.export import export
from labelsieve.cli.find import find
from labelsieve.cli.import_ import import_
from labelsieve.cli.noise import noise
from labelsieve.cli.predict import predict
from labelsieve.cli.repair import repair
from labelsieve.cli.report import report
from labelsieve.cli.review import review
from labelsieve.cli.score import score
from labelsieve.cli.spectrum import spectrum
from labelsieve.cli.train import train

# Group -> command -> (function, example).
COMMANDS = {
    "Find and look": {
        "find": (find, "labelsieve find photos/"),
        "review": (review, "labelsieve review photos.sieve"),
        "report": (report, "labelsieve report photos.sieve"),
    },
    "Decide and correct": {
        "apply": (apply, "labelsieve apply photos.sieve -o corrected"),
        "export": (export, "labelsieve export photos.sieve --to csv -o sheet.csv"),
        "import": (import_, "labelsieve import photos.sieve sheet.csv --from csv --reviewer Ana"),
    },
    "Control quality": {
        "accept": (accept, "labelsieve accept batch.sieve --max-error 3%"),
        "check": (check, "labelsieve check photos.sieve --contract labels.toml"),
        "diff": (diff, "labelsieve diff last.sieve photos.sieve"),
    },
    "Train": {
        "train": (train, "labelsieve train photos/ --method promix -o model"),
        "predict": (predict, "labelsieve predict model more/ -o labels.csv"),
        "score": (score, "labelsieve score model test/"),
        "compare": (compare, "labelsieve compare features.npz --test test.npz"),
        "repair": (repair, "labelsieve repair model --keep 90% -o repaired"),
        "spectrum": (spectrum, "labelsieve spectrum clean noisy -o heads.html"),
    },
    "Trials": {
        "demo": (demo, "labelsieve demo"),
        "noise": (noise, "labelsieve noise photos/ --rate 20% -o noisy"),
        "evaluate": (evaluate, "labelsieve evaluate photos.sieve --truth truth.csv"),
    },
    "Share the work": {
        "encode": (encode, "labelsieve encode photos/ -o photos.sieve --shard 17/400"),
    },
    "Set up": {
        "completion": (completion, "labelsieve completion bash > labelsieve.bash"),
    },
}
_WIDTH = max(map(len, COMMANDS))
_FIRST = "\n".join(f"  {group:<{_WIDTH}}  {next(iter(commands.values()))[1]}" for group, commands in COMMANDS.items())
_EVERY = Group("In every command", sort_key=8)

app = App(
    name="labelsieve",
    help="Finds the wrong labels in a classification data set.",
    help_epilogue=f"For example:\n{_FIRST}\n\nExamples for every command: labelsieve COMMAND --help",
    help_format="plaintext",
    version=labelsieve.__version__,
    version_flags=["--version", "-V"],
    group_commands=Group("Set up", sort_key=7),
    exit_on_error=False,  # `main` reports errors, in one place
    print_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
for place, (title, commands) in enumerate(COMMANDS.items()):
    group = Group(title, sort_key=place)
    for i, (name, (function, example)) in enumerate(commands.items()):
        app.command(
            function,
            name=name,
            group=group if title != "Set up" else None,
            help_epilogue=f"Example: {example}",
            sort_key=i,
        )


app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[
        bool, Parameter(name=["--quiet", "-q"], help="Show no progress and no notes.", negative="", group=_EVERY)
    ] = False,
    verbose: Annotated[
        bool,
        Parameter(name=["--verbose", "-v"], help="Show each step with its time in seconds.", negative="", group=_EVERY),
    ] = False,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        Parameter(
            help="Which messages go to stderr; default: warning. --verbose is info, --quiet is error.", group=_EVERY
        ),
    ] = None,
) -> object:
    """Run the command with the requested level of messages on stderr."""
    from labelsieve.cli.terminal import level_of, log_to_stderr, printer

    with log_to_stderr(level_of(quiet, verbose, log_level)):
        return app(tokens, console=printer())
