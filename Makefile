# make run and make test need only Python (3.10 to 3.13); both set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test train-demo lint check bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | sort

run: $(VENV)/run.stamp  ## serve the page at http://127.0.0.1:7860
	$(BIN)/python app.py

test: $(VENV)/dev.stamp  ## run the whole suite
	$(BIN)/python -m pytest

train-demo: $(VENV)/train.stamp  ## audit, train and measure in a few minutes
	$(BIN)/python -m train demo

lint: $(VENV)/dev.stamp  ## check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## lint and test, as CI does

bench: $(VENV)/dev.stamp  ## measure how fast it is, into bench.json
	$(BIN)/python -m train bench

clean:  ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(VENV)/run.stamp: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

$(VENV)/train.stamp: requirements-train.txt $(VENV)/run.stamp
	$(BIN)/pip install --quiet -r requirements-train.txt
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/train.stamp
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@
