# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` need nothing beforehand but make, root and a Debian or Ubuntu machine.

# The system's own Python: its build is the faster one, and nothing is downloaded.
export UV_PYTHON ?= /usr/bin/python3
export UV_PYTHON_DOWNLOADS := never
# Relative, so that the environment is the project's wherever the project lies.
export UV_PROJECT_ENVIRONMENT := .venv

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# They touch nothing of the machine that another could, and many of them wait: three for a processor.
UNIT := $(PYTEST) --numprocesses=$$((3 * $$(nproc))) --dist=worksteal -m "not engine and not refhost"

.PHONY: help setup check test test-unit test-images test-here test-there unit engines refhost images bundle demo bench clean
.DEFAULT_GOAL := help

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: Debian packages, uv, the project's environment
	@sh tools/setup.sh

check: setup ## Lint, types and unit tests: about a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(UNIT) -q

unit: setup ## The unit tests alone
	$(UNIT) -q

engines: setup images bundle ## The tests on podman, docker and containerd of this machine
	$(PYTEST) -q -m engine

refhost: setup images bundle ## The tests in the reference host under QEMU
	$(PYTEST) -q -m refhost

test: setup ## Everything: lint, types, unit tests, engines, reference host
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@# Side by side, a processor each: an emulated machine is one thread.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-unit test-images
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-here test-there

test-unit:
	$(UNIT) --durations=10

test-images: images bundle

# User data has a machine of its own anyway; with what uses this host's own state it takes as long as
# all the others.
HERE := tests/engine tests/test_reference_bootstrap*.py
test-here:
	$(PYTEST) --durations=15 -m "engine or refhost" $(HERE)

test-there:
	$(PYTEST) --durations=15 -m "engine or refhost" $(HERE:%=--ignore-glob='$(CURDIR)/%')

images: setup ## Build the admin and the bootstrap image from Debian packages, and print their sizes
	$(BIN)/python tools/build_image.py admin
	$(BIN)/python tools/build_image.py bootstrap

# After the images: it brings their digests.
bundle: setup images ## Build the self-contained program in dist/, and the images that it knows
	$(BIN)/python tools/build_bundle.py

demo: setup ## Open the door of a real read-only host in a virtual machine, and close it again
	@$(BIN)/python tools/demo.py

bench: setup images bundle ## Measure against peers, side by side
	$(BIN)/python -m bench

clean: ## Remove what was built and cached
	rm -rf .cache dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
