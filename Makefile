# `make` or `make help` lists the targets. Nothing is needed beforehand but Python 3.11 or newer and make.
# Packages come from wherever your pip is configured to look.

# The first Python found that is new enough; PYTHON=… overrides it, VENV=… and PEERS_VENV=… the environments.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
VENV ?= .venv
PEERS_VENV ?= .venv-peers
OUT ?= build/demo
DEMO_ARGS ?=
PYTEST_ARGS ?=
FUZZ_CASES ?= 20000
FUZZ_SEED ?= 0
BENCH_ARGS ?=

BIN := $(VENV)/bin
PEERS_BIN := $(PEERS_VENV)/bin
SOURCES := $(wildcard fastcands bench tests examples docs conftest.py)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test fuzz lint types peers bench bench-kernels docs check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.with-dev $(VENV)/.with-docs ## install everything for development in .venv

demo: $(VENV)/.with-cli ## train a language model with 100,000 classes on real text (OUT=, DEMO_ARGS=)
	$(BIN)/fastcands train --out $(OUT) $(DEMO_ARGS)

test: $(VENV)/.with-dev ## run the whole suite, with the examples of docstrings, README and docs (PYTEST_ARGS=)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

fuzz: $(VENV)/.with-dev ## call public functions with arguments of all kinds (FUZZ_CASES=, FUZZ_SEED=)
	$(BIN)/python -m tests.fuzz --cases $(FUZZ_CASES) --seed $(FUZZ_SEED)

lint: $(VENV)/.with-dev ## ruff: rules and format, changes nothing
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(VENV)/.with-dev ## mypy --strict
	$(BIN)/mypy

peers: $(PEERS_VENV)/.with-bench ## compare live with TensorFlow and PyTorch (own environment)
	$(PEERS_BIN)/python -m pytest tests/peers $(PYTEST_ARGS)

bench: $(PEERS_VENV)/.with-bench ## measure beside TensorFlow, PyTorch, MKL, gensim and NumPy (BENCH_ARGS=)
	$(PEERS_BIN)/python -m bench.run $(BENCH_ARGS)

bench-kernels: $(PEERS_VENV)/.with-bench ## measure every kernel alone (PYTEST_ARGS=)
	$(PEERS_BIN)/python -m pytest bench/kernels --benchmark-enable --benchmark-only \
		--benchmark-columns=median,iqr,rounds --benchmark-sort=name -q $(PYTEST_ARGS)

docs: $(VENV)/.with-docs ## build the documentation in build/docs; a warning is an error
	$(BIN)/sphinx-build -W -n --keep-going -q -b html docs build/docs

check: lint types test docs ## lint, types, test and docs

clean: ## remove environments, caches and everything built
	rm -rf .venv .venv-peers build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment's stamps say which extras it holds; a change of pyproject.toml installs again.
$(VENV)/.with-%: pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[$*]'
	@touch $@

$(PEERS_VENV)/.with-%: pyproject.toml | $(PEERS_VENV)/.made
	$(PEERS_BIN)/python -m pip install -q --disable-pip-version-check -e '.[$*]'
	@touch $@

$(VENV)/.made $(PEERS_VENV)/.made:
	@test -n '$(PYTHON)' || { echo 'no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'fastcands needs Python 3.11 or newer; $(PYTHON) is not' >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	@touch $@
