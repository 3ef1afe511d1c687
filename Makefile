# make run and make test need only Python (3.10 to 3.13); both set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The order of the tests, and how many run side by side.
SEED ?= 1
WORKERS ?= auto
PYTEST = $(BIN)/python -m pytest --randomly-seed=$(SEED)
ABREAST = -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# The browser's program is checked where Node is; who only runs the page needs none.
ifneq ($(shell command -v npm),)
NODE = node_modules/ci.stamp
endif
NO_NODE = @echo "Node is not here: the browser's program was not checked."

.PHONY: help run test quick viewer train-demo models lint check bench quality benchmark verdicts pictures example screenshots soak fuzz fresh advisories clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | sort

run: $(VENV)/run.stamp  ## serve the page at http://127.0.0.1:7860
	$(BIN)/python app.py

test: $(VENV)/dev.stamp $(NODE)  ## run the whole suite; SEED=n for another order, WORKERS=n for so many side by side
	$(if $(NODE),npm test --silent,$(NO_NODE))
	$(PYTEST) $(ABREAST) -m "not alone"
	$(PYTEST) -m alone

quick: $(VENV)/dev.stamp $(NODE)  ## run the unit tests, in two minutes
	$(if $(NODE),npm test --silent,$(NO_NODE))
	$(PYTEST) $(ABREAST) tests/unit -m "not alone"

viewer: node_modules/ci.stamp  ## bundle the browser's program; needs Node
	npm run --silent build

train-demo: $(VENV)/train.stamp  ## audit, train and measure in a few minutes
	$(BIN)/python -m train demo

# ImageNet weights, folds by patient, boxes on the maps, a published model's out-of-sample scores as a teacher.
FIT = $(BIN)/python -m train fit $(CXR_FILMS)/nih/labels.csv $(CXR_FILMS)/nih64/labels.csv \
	--teacher $(CXR_FILMS)/reference/densenet121_nih_predictions.csv.gz --validation 0 --frozen-layers 4 --mirrored \
	--half --dataset alkzar90/NIH-Chest-X-ray-dataset --trained-on "$$(sed -n 's/^- Trained on: //p' cxr_demo/bundled/nih14/README.md)" \
	--note "The labels were mined from reports by text; radiologists who looked again agreed with fewer than half of some." \
	--note "The films are frontal ones of adults; lateral films, children and photographs of films were not tested."
NIH14 = --task nih14 --head-epochs 0 --coarse-epochs 0 --epochs 10 --fine-rate 1e-3

models: $(VENV)/train.stamp  ## train the bundled models and their folds into runs/, from the films in CXR_FILMS; one to three hours on two cores
	$(FIT) $(NIH14) --folds 5 --out runs/nih14
	$(FIT) --folds 5 --task pneumothorax --out runs/pneumothorax --start-run runs/nih14 --head-epochs 1 --head-rate 3e-4 \
		--coarse-size 224 --coarse-epochs 0 --epochs 0

lint: $(VENV)/dev.stamp $(NODE)  ## check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(if $(NODE),npm run --silent lint,$(NO_NODE))

check: lint test  ## lint and test, as CI does

bench: $(VENV)/dev.stamp  ## measure how fast explaining and training input are, into bench.json
	$(BIN)/python -m benchmarks
	$(BIN)/python -m train bench

quality: $(VENV)/dev.stamp  ## measure what the quick settings lose on 20 of the films in CXR_FILMS; half an hour
	$(BIN)/python -m benchmarks.quality

benchmark: $(VENV)/dev.stamp  ## measure all methods on the boxes of the films in CXR_FILMS into runs/benchmark; hours, goes on where it was
	$(FIT) $(NIH14) --folds 3 --only-folds --out runs/boxes
	$(BIN)/python -m cxr_demo benchmark --data $(CXR_FILMS)/nih/labels.csv --images $(CXR_FILMS)/nih/images \
		--model runs/boxes --out runs/benchmark
	$(BIN)/python -m benchmarks.published runs/benchmark

verdicts: $(VENV)/dev.stamp  ## measure how often the test of maps passes on every tenth film with boxes in CXR_FILMS; half an hour
	$(BIN)/python -m benchmarks.verdicts

pictures: $(VENV)/dev.stamp  ## draw the pictures of docs/explanations.md
	$(BIN)/python -m benchmarks.pictures

example: $(VENV)/run.stamp  ## record the answers about the example of the empty page, with the bundled model
	$(BIN)/python -m cxr_demo.web.example

screenshots: $(VENV)/dev.stamp  ## take the pictures of the page in the documentation, in Chromium
	$(BIN)/python -m tests.programs.screenshots

soak: $(VENV)/dev.stamp  ## send 64 visitors to a page on loopback for ten minutes and check what they get; Linux only
	$(BIN)/python -m benchmarks.soak

fuzz: $(VENV)/fuzz.stamp  ## try damaged and hostile files on the reader for ten minutes, guided by coverage; Linux only
	$(BIN)/python -m tests.programs.fuzz

fresh: $(VENV)/dev.stamp  ## serve a deployed Space in new environments, with the newest torch and with 2.8; gigabytes
	$(BIN)/python -m tests.programs.fresh --python $(PYTHON)

advisories: $(VENV)/audit.stamp  ## check the installed packages for known vulnerabilities
	mkdir -p runs
	$(VENV)/audit/bin/pip-audit --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
		--progress-spinner off --format json --output runs/advisories.json
	@$(BIN)/python -c 'import json; found = json.load(open("runs/advisories.json"))["dependencies"]; \
		print(sum("vulns" in one for one in found), "of", len(found), "packages could be checked")'

clean:  ## remove the environment, caches and what pip built
	rm -rf $(VENV) node_modules .pytest_cache .mypy_cache .ruff_cache build *.egg-info

node_modules/ci.stamp: package.json package-lock.json
	npm ci --silent --ignore-scripts
	touch $@

$(VENV)/run.stamp: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

$(VENV)/train.stamp: requirements-train.txt $(VENV)/run.stamp
	$(BIN)/pip install --quiet -r requirements-train.txt
	touch $@

$(VENV)/audit.stamp: $(VENV)/run.stamp
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet 'pip-audit>=2.9'
	touch $@

$(VENV)/fuzz.stamp: $(VENV)/dev.stamp
	$(BIN)/pip install --quiet 'atheris>=3' 'coverage>=7'
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements-models.txt $(VENV)/train.stamp
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@
