# make run    environment, build, then the workbench on the bundled demo voice (without a terminal: the same path headless)
# make test   environment, build, checks and all tests
# make env    the environment alone
# make peer   the environment in which Piper trains and speaks, and sherpa-onnx speaks (tests skip what it would check without it)
# make bench  the benchmarks; each prints a table
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
NATIVE := $(wildcard native/*)

.PHONY: run test check env peer bench clean

# The stamps make a second start cost nothing: what is up to date is not looked at again.
run: $(VENV)/.ready
	@if [ -t 0 ] && [ -t 1 ]; then exec $(BIN)/workbench; else exec $(BIN)/workbench walk; fi

env: $(VENV)/.ready

test: check
	$(BIN)/python -m pytest -n auto --maxprocesses 4

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

peer: .venv-peer/.ready

bench: $(VENV)/.ready-dev
	@$(PIP) install -c constraints.txt --group bench || echo "Some others to measure against could not be installed"
	@for bench in tests/bench/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

$(VENV)/.ready: pyproject.toml constraints.txt $(NATIVE) deploy/make_env.sh
	@PYTHON=$(PYTHON) VENV=$(VENV) bash deploy/make_env.sh
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@echo "Installing what the tests need"
	@$(PIP) install -c constraints.txt --group dev
	@touch $@

.venv-peer/.ready: tests/peer/requirements.txt
	@echo "Making .venv-peer: Piper and sherpa-onnx, to check checkpoints and voices with"
	@$(PYTHON) -m venv .venv-peer
	@bash deploy/install_torch.sh .venv-peer $$(sed -n 's/^torch==//p' constraints.txt)
	@.venv-peer/bin/python -m pip --disable-pip-version-check -q install -r tests/peer/requirements.txt
	@touch $@

clean:
	rm -rf $(VENV) .venv-peer build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
