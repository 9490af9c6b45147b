# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` need nothing beforehand but make, root and a Debian or Ubuntu machine.

# The system's own Python: its build is the faster one, and nothing is downloaded.
export UV_PYTHON ?= /usr/bin/python3
export UV_PYTHON_DOWNLOADS := never
# Relative, so that the environment is the project's wherever the project lies.
export UV_PROJECT_ENVIRONMENT := .venv

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup check test test-unit test-engines test-data test-rest unit engines refhost images bundle demo bench clean
.DEFAULT_GOAL := help

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: Debian packages, uv, the project's environment
	@sh tools/setup.sh

check: setup ## Lint, types and unit tests: about two minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -q -m "not engine and not refhost"

unit: setup ## The unit tests alone
	$(PYTEST) -q -m "not engine and not refhost"

engines: setup images bundle ## The tests on podman, docker and containerd of this machine
	$(PYTEST) -q -m engine

refhost: setup images bundle ## The tests in the reference host under QEMU
	$(PYTEST) -q -m refhost

test: setup ## Everything: lint, types, unit tests, engines, reference host
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@# Side by side what does not disturb one another: two processors are then never idle.
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target test-unit images bundle
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target test-engines test-data test-rest

test-unit:
	$(PYTEST) --durations=10 -m "not engine and not refhost"

test-engines:
	$(PYTEST) --durations=20 -m engine

# Two machines at a time: emulated, each is one thread. User data has one of its own anyway.
DATA := tests/test_reference_bootstrap*.py tests/admin_image
test-data:
	$(PYTEST) --durations=10 -m refhost $(DATA)

test-rest:
	$(PYTEST) --durations=10 -m refhost $(foreach path,$(DATA),--ignore-glob='$(path)')

images: setup ## Build the admin and the bootstrap image from Debian packages, and print their sizes
	$(BIN)/python tools/build_image.py admin
	$(BIN)/python tools/build_image.py bootstrap

bundle: setup ## Build the self-contained program in dist/
	$(BIN)/python tools/build_bundle.py

demo: setup ## Open the door of a real read-only host in a virtual machine, and close it again
	@$(BIN)/python tools/demo.py

bench: setup images bundle ## Measure against peers, side by side
	$(BIN)/python -m bench

clean: ## Remove what was built and cached
	rm -rf .cache dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
