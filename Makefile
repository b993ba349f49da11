# One command each; a machine with python3.11, git and make needs nothing else.
VENV ?= .venv
PYTHON ?= python3.11
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := False

.PHONY: help env repro test test-graph test-browser test-slow lint audit fuzz docs ui bench clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

env: $(BIN)/.installed  ## the environment, in .venv (about 7 GB with the CUDA build of torch)

$(BIN)/.installed: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[audit,tracking,server,zonal,browse,dask,docs,dev]'
	touch $@

repro: env  ## the whole graph, then MLflow and the table
	flairhub repro
	flairhub track
	flairhub table

test: env  ## the tests, without the slow ones and those that run the graph
	pytest -q -n auto --dist loadfile

test-graph: env  ## the promises of the graph: real `dvc repro` in temporary clones (15 to 30 minutes on 2 cores)
	pytest -q -n auto --dist loadfile --no-loadscope-reorder --durations 20 -m graph

test-browser: env  ## MLflow and the report page in a headless Chromium (Debian: apt install chromium)
	pytest -q -m browser tests/browser

test-slow: env  ## what the two others leave out: slow tests, and the browser
	pytest -q -n auto --dist loadfile --durations 20 -m '(slow or browser) and not graph'

lint: env  ## style, types, import contracts, known kinds of unsafe code
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	bandit -q -r src stages -c pyproject.toml

audit: env  ## known vulnerabilities of the locked packages (asks PyPI's advisory service)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3'
	pip-audit --disable-pip --no-deps --requirement requirements.lock

MINUTES ?= 30
fuzz: env  ## damaged and hostile zips and TIFFs, generated without end: make fuzz MINUTES=30
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'atheris>=2.3,<4'
	$(BIN)/python tests/fuzz/entry_points.py --minutes $(MINUTES)

docs: env  ## the documentation with the API, into site/
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

ui: env  ## the MLflow interface on http://127.0.0.1:5000
	flairhub ui

bench: env  ## every part beside its physical limit, into benchmarks/results.json (about five minutes)
	python benchmarks/run.py

clean:  ## caches of tools; never results
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
