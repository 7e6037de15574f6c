# make reproduce   everything from scratch: environment, data, trainings, tables, figures, report, MLflow runs;
#                  make reproduce STUDY=omniglot: another study
# make test        checks and tests; make check: the checks alone; make test-system: kills, servers, a cluster, a browser
# make ui          browse the runs in MLflow; prints the page of each study
# make docs        write docs/parameters.md from the types, build the site in site/, check its links
# make readme      copy the results of the reports into the README and into one page over all studies
# make lock        resolve requirements.lock again

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES  ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
PORT   ?= 5000
STUDY  ?=
# On Linux, pip may choose a build of torch with gigabytes of CUDA packages. An index of CPU wheels here avoids it.
TORCH_INDEX ?=

VENV  := .venv
READY := $(VENV)/.ready
BIN   := $(VENV)/bin

export PATH := $(CURDIR)/$(BIN):$(PATH)
# Without byte code every process of the pipeline compiles its imports again, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: reproduce test test-system check ui lock readme docs
.DELETE_ON_ERROR:

reproduce: $(READY)
	$(BIN)/snakemake --cores $(CORES) $(if $(STUDY),--configfile studies/$(STUDY).yaml) -- all

# A worker that dies is not replaced, because pytest-xdist can then wait forever; the run ends and names the test.
test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(CORES) --dist loadfile --max-worker-restart 0

# Takes half an hour or more: kills the pipeline 25 times and resumes it, starts and stops servers, opens pages in a browser.
test-system: $(READY)
	tests/system/install.sh
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/system tests/workflow/test_two_snakemakes.py tests/workflow/test_missing_files.py

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

ui: $(READY)
	@$(BIN)/python -m sfsc.tracking.stamp $(PORT)
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db --workers 1 --port $(PORT)

# torch is installed first, so that pip asks the other index for torch alone.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.lock)"
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

# A CPU wheel of torch adds a label to the version that wheels for other machines do not have; sed removes it.
lock: $(READY)
	$(BIN)/pip-compile --quiet --extra=cluster --extra=deploy --extra=dev --extra=docs --extra=s3 --strip-extras --no-emit-index-url --no-emit-find-links \
		--output-file=requirements.lock pyproject.toml
	sed -i 's/^\(torch==[^+]*\)+cpu$$/\1/' requirements.lock

readme: $(READY)
	$(BIN)/python -m sfsc.reporting.readme README.md
	$(BIN)/python -m sfsc.reporting.overview reports

# NO_MKDOCS_2_WARNING silences an announcement of the theme's, not warnings about the pages.
docs: $(READY)
	$(BIN)/python -m sfsc.settings.reference docs/parameters.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
