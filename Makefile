# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TOOLS = basedpyright cleanlab hypothesis import-linter polars pytest pytest-xdist ruff scipy
STAMP = pyproject.toml constraints.txt Makefile

.PHONY: demo test check clean

demo: .venv/demo.stamp
	@du -sm .venv | awk '{print "Installed in .venv: " $$1 " MB"}'
	.venv/bin/labelsieve demo

test: .venv/dev.stamp
	.venv/bin/python -m pytest -n 2

check: .venv/dev.stamp
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/basedpyright
	.venv/bin/lint-imports

.venv/python.stamp:
	$(PYTHON) -m venv .venv
	touch $@

.venv/demo.stamp: .venv/python.stamp $(STAMP)
	$(PIP) --editable '.[images]'
	touch $@

.venv/dev.stamp: .venv/demo.stamp
	$(PIP) --editable '.[images,text,sklearn,hub,remote,hf,lightning]' $(TOOLS)
	touch $@

clean:
	rm -rf .venv dist build .pytest_cache .ruff_cache .hypothesis
