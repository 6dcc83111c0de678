from labelsieve.cli import run

run()
