"""All commands."""

from __future__ import annotations

from cyclopts import App

import labelsieve
from labelsieve.cli.accept import accept
from labelsieve.cli.apply import apply
from labelsieve.cli.check import check
from labelsieve.cli.compare import compare
from labelsieve.cli.demo import demo
from labelsieve.cli.diff import diff
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

app = App(
    name="labelsieve",
    help="Finds the wrong labels in a classification data set.",
    version=labelsieve.__version__,
    exit_on_error=False,  # what goes wrong is told by `main`, in one place
    print_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
LABELS = (find, review, report, export, apply, accept, check, diff)
MODELS = (train, predict, score, compare, repair, spectrum)
TRIALS = (demo, noise, evaluate)
for command in (*LABELS, *MODELS, *TRIALS):
    app.command(command)
app.command(import_, name="import")
