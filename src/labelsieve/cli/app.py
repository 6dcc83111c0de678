"""All commands."""

from __future__ import annotations

from cyclopts import App

import labelsieve
from labelsieve.cli.demo import demo
from labelsieve.cli.evaluate import evaluate
from labelsieve.cli.find import find
from labelsieve.cli.noise import noise

app = App(name="labelsieve", help="Finds the wrong labels in a classification data set.", version=labelsieve.__version__)
for command in (find, demo, noise, evaluate):
    app.command(command)
