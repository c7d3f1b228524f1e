# Everything lives in this folder: uv in .uv/, the environment in .venv/.
UV_VERSION := 0.13.8
TOOLS := $(CURDIR)/.uv
UV := $(TOOLS)/bin/uv
PYTHON := .venv/bin/python
OUT ?= out
DATA ?= data/ml-latest-small

export UV_CACHE_DIR := $(TOOLS)/cache
export UV_PYTHON_INSTALL_DIR := $(TOOLS)/python
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
# TensorFlow 2.16 would otherwise bring Keras 3, which TFX 1.16 does not know.
export TF_USE_LEGACY_KERAS := 1
export TF_CPP_MIN_LOG_LEVEL := 3

.DEFAULT_GOAL := help
.PHONY: help setup run test lint types unit integration e2e format \
	bench-quality bench-models bench-wals bench-textbook bench-pipeline bench-synthesize \
	bench-servable bench-candidates clean

help: ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(UV):
	@python3 tools/bootstrap_uv.py $(TOOLS) $(UV_VERSION)

.venv/.locked: uv.lock pyproject.toml .python-version | $(UV)
	@echo "Installing the locked environment into .venv (a few minutes the first time)"
	@$(UV) sync --locked --quiet --compile-bytecode
	@touch $@

setup: .venv/.locked ## Install the pinned uv and the locked environment, inside this folder

run: setup ## Train, gate, push, serve and ask, on synthetic data
	$(PYTHON) -m pipeline run --output $(OUT)
	$(PYTHON) -m pipeline.demo --output $(OUT)

test: lint types unit integration e2e ## Everything that CI runs

lint: setup ## Check style
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: setup ## Check types
	.venv/bin/mypy

format: setup ## Mend style
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

unit: setup ## Fast tests of single modules
	$(PYTHON) -m pytest tests/unit

integration: setup ## Tests of parts together, with servers and Beam
	$(PYTHON) -m pytest tests/integration

e2e: setup ## Tests of the command line from data to served lists
	$(PYTHON) -m pytest tests/e2e

bench-quality: setup ## Served quality beside others (DATA=DIR, ARGS="--seeds 17,18,19 --split random_per_item")
	$(PYTHON) -m benchmarks.quality --data $(DATA) $(ARGS)

bench-models: setup ## Every family beside the others: quality, time, size (DATA=DIR)
	$(PYTHON) -m benchmarks.models --data $(DATA) $(ARGS)

bench-wals: setup ## WALS beside implicit's ALS on a million interactions: time and objective
	$(PYTHON) -m benchmarks.wals

bench-textbook: setup ## The families beside what their textbooks published (DATA=DIR)
	$(PYTHON) -m benchmarks.textbook --data $(DATA)

bench-pipeline: setup ## Seconds of each component and peak memory (DATA=DIR)
	$(PYTHON) -m benchmarks.pipeline --data $(DATA)

bench-servable: setup ## Calls on one core, and a million items (DATA=DIR, or ARGS="--servable DIR")
	$(PYTHON) -m benchmarks.servable --data $(DATA) $(ARGS)

bench-candidates: setup ## Quality and time of 50 to 500 candidates (DATA=DIR)
	$(PYTHON) -m benchmarks.tradeoff --data $(DATA) $(ARGS)

bench-synthesize: setup ## Seconds and memory of making 1 and 10 million interactions
	$(PYTHON) -m benchmarks.synthesize

clean: ## Remove the environment and the default output
	rm -rf .venv .uv out
