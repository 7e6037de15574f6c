# make reproduce   everything from nothing: environment, data, trainings, tables, figures, report, MLflow
# make test        checks and tests; make check: the checks alone; make test-system: kills, servers, a cluster, a browser
# make ui          browse the runs; STUDY=omniglot make reproduce: another study
# make readme      copy results and rule graph into the README; make docs: write docs/parameters.md from the types
# make lock        resolve requirements.lock anew

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES  ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
PORT   ?= 5000
STUDY  ?=
# On Linux pip may take a torch with gigabytes of CUDA packages: name an index of CPU wheels here to avoid that.
TORCH_INDEX ?=

VENV  := .venv
READY := $(VENV)/.ready
BIN   := $(VENV)/bin

export PATH := $(CURDIR)/$(BIN):$(PATH)
# Without byte code each of the pipeline's processes would compile its imports again, seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: reproduce test test-system check ui lock readme docs
.DELETE_ON_ERROR:

reproduce: $(READY)
	$(BIN)/snakemake --cores $(CORES) $(if $(STUDY),--configfile studies/$(STUDY).yaml) -- all

test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(CORES) --dist loadfile

# Takes most of an hour: the pipeline is killed and started again 25 times, servers come and go, pages are looked at.
test-system: $(READY)
	tests/system/install.sh
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/system

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

ui: $(READY)
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db --workers 1 --port $(PORT)

# torch goes first and alone: another index is then asked for one package, not for each.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.lock)"
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

# A CPU wheel of torch adds its label to the version, which other machines' wheels do not have.
lock: $(READY)
	$(BIN)/pip-compile --quiet --extra=cluster --extra=dev --extra=s3 --strip-extras --no-emit-index-url --no-emit-find-links \
		--output-file=requirements.lock pyproject.toml
	sed -i 's/^\(torch==[^+]*\)+cpu$$/\1/' requirements.lock

readme: $(READY)
	$(BIN)/python -m sfsc.reporting.readme README.md
	$(BIN)/snakemake --rulegraph mermaid-js -- all | $(BIN)/python -m sfsc.reporting.rule_graph README.md

docs: $(READY)
	$(BIN)/python -m sfsc.parameter_reference docs/parameters.md
