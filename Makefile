# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TOOLS = basedpyright cleanlab hypothesis import-linter polars pytest pytest-xdist ruff scipy
# For Debian without python3-venv; pip is MIT-licensed.
PIP_WHEEL = .ci/pip-26.3-py3-none-any.whl
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
	if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv .venv; \
	else $(PYTHON) -m venv --clear --without-pip .venv && .venv/bin/python $(PIP_WHEEL)/pip install --quiet --no-index $(PIP_WHEEL); fi
	touch $@

.venv/demo.stamp: .venv/python.stamp $(STAMP)
	$(PIP) --editable '.[images]'
	touch $@

.venv/dev.stamp: .venv/demo.stamp
	$(PIP) --editable '.[images,text,sklearn,hub,remote,hf,lightning]' $(TOOLS)
	touch $@

clean:
	rm -rf .venv dist build .pytest_cache .ruff_cache .hypothesis
