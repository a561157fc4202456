# Everything runs in .venv, which is made from the pinned versions in constraints.txt.
#   make PYTHON=python3.12 drive        another interpreter (3.10-3.12)
#   make PIP_FLAGS="--index-url ..."    another package index, e.g. one with CPU builds of torch

VENV := .venv
BIN := $(VENV)/bin
DRIVE_READY := $(VENV)/.drive-ready
READY := $(VENV)/.ready
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS)
DRIVE_ARGS ?=
TEST_ARGS ?=
TEST_JOBS ?= auto
PIP_FLAGS ?=
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10 python; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& echo $$p && break; done)

# Bytecode is kept where a module is first imported. Without it every process of a drive or a test
# compiles the libraries anew, which takes longer than many a test: an environment that forbids it,
# as containers do, has no say here.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install leaderboard-environment official drive test search lint format benchmark gpu image licences lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 26

# What driving needs, and no more. Nothing is compiled to bytecode that may never be imported.
$(DRIVE_READY): setup.cfg pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.10, 3.11 or 3.12 found. Install one (Debian: python3 python3-venv) or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments. Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --no-compile -c constraints.txt -e .
	@touch $@

$(READY): $(DRIVE_READY)
	$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@

install: $(READY) ## Make the environment for training, tests and lint in .venv

leaderboard-environment: $(DRIVE_READY) ## Add what the official evaluators import, with their second antlr4 in a folder beside the rest
	$(PIP) -c constraints.txt -e '.[leaderboard]'
	$(PIP) --no-deps --upgrade --target $(VENV)/leaderboard -r evaluation/official/beside.txt

official: $(READY) leaderboard-environment ## Drive a few routes on every official evaluator in the folder OFFICIAL_CHECKOUTS
	$(BIN)/python -m pytest --slow -o faulthandler_timeout=3600 tests/integration/test_official_evaluators.py $(TEST_ARGS)

drive: $(DRIVE_READY) ## Drive the demo route in the embedded simulator; results and video in out/drive
	$(BIN)/python -m evaluation drive $(DRIVE_ARGS)

test: $(READY) ## Run the tests that need no GPU, network or CARLA server
	$(BIN)/python -m pytest -n $(TEST_JOBS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(TEST_ARGS)

search: $(READY) ## Look for counter-examples: 20 times as many, drawn at random, in every property test
	$(BIN)/python -m pytest -m hypothesis --search 20 $(TEST_ARGS)

lint: $(READY) ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY) ## Rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(READY) ## Time the simulator, the renderer, the model's tick and training
	$(BIN)/python -m tests.benchmarks.simulator
	$(BIN)/python -m tests.benchmarks.render
	$(BIN)/python -m tests.benchmarks.tick --preset nano --device cpu
	$(BIN)/python -m tests.benchmarks.training --preset nano

# No environment is made: a GPU machine's own torch is the one to measure.
GPU_PYTHON ?= $(shell test -x $(BIN)/python && echo $(BIN)/python || echo python3)
GPU_ARGS ?=
gpu: ## Measure and test what only a GPU can tell, within 8 minutes; table in out/gpu/gpu.md
	$(GPU_PYTHON) -m tests.benchmarks.gpu $(GPU_ARGS)

image: ## Build the evaluation image, with Docker or, as root, with buildah and debootstrap
	docker/build.sh evaluation

# Some packages state the whole text of their licence as its name: its first line stays.
licences: $(READY) ## List the licence of everything that is installed in .venv
	@$(BIN)/pip-licenses --python $(BIN)/python --order license --format markdown > $(VENV)/licences.md
	@sed '/^| *|/d' $(VENV)/licences.md

# The images' locks are for their own Python, with hashes; torch's CPU build comes from TORCH_CPU.
# Images have no display: OpenCV without windows is 30 MB smaller.
TORCH_CPU ?= --extra-index-url https://download.pytorch.org/whl/cpu
LOCK_ARGS ?=
PINNED = sed -n 's/^$(1)==\([^ ;]*\).*/\1/p' constraints.txt
IMAGE_LOCK = $(BIN)/uv pip compile --python-version 3.11 --python-platform x86_64-manylinux_2_36 -c constraints.txt \
	--override $(VENV)/lock_windows -c $(VENV)/lock_versions $(VENV)/lock_headless \
	--generate-hashes --no-annotate --no-header --no-emit-find-links --quiet setup.cfg
lock: $(READY) ## Pin what setup.cfg lacks in constraints.txt (Python 3.10-3.12) and docker/*.lock; LOCK_ARGS=--upgrade: the newest versions
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --fork-strategy requires-python --python-version 3.10 \
		--extra dev --extra leaderboard --extra wandb --no-annotate --no-header --quiet $(LOCK_ARGS) setup.cfg -o constraints.txt
	@echo "opencv-python ; sys_platform == 'never'" > $(VENV)/lock_windows
	@echo opencv-python-headless > $(VENV)/lock_headless
	@echo "opencv-python-headless==$$($(call PINNED,opencv-python))" > $(VENV)/lock_versions
	$(IMAGE_LOCK) --extra train --extra leaderboard --extra report -o docker/cuda.lock
	@echo "torch==$$($(call PINNED,torch))+cpu" >> $(VENV)/lock_versions
	$(IMAGE_LOCK) $(TORCH_CPU) -o docker/cpu.lock

clean: ## Remove the environment and everything that runs have written
	rm -rf $(VENV) out outputs .mypy_cache .ruff_cache .pytest_cache .hypothesis
