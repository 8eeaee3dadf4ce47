# Needs make and Python 3.11 or newer; everything else is put into .venv, as locked with hashes.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PYTEST_ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help setup run test check bench chaos fix docs deep screenshot lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.run ## what is needed to run, in .venv (nothing to do when it is there)

.venv/.python: requirements-setup.txt
	@test -n "$(PYTHON)" || { echo "Parley needs Python 3.11 or newer, and none was found."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing (on Debian: apt install python3-venv)."; exit 1; }
	@$(BIN)/python -m pip install $(PIP_ARGS) -r requirements-setup.txt 2>.venv/setup.log || rm -f $(BIN)/uv
	@touch $@

.venv/.run: requirements.txt .venv/.python
	@echo "Setting up .venv (once) ..."
	@$(call install,requirements.txt)
	@$(BIN)/python -m compileall -q bot adapters
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.python
	@echo "Setting up .venv for development (once) ..."
	@$(call install,requirements-dev.txt)
	@$(BIN)/python -m compileall -q bot adapters tests
	@touch .venv/.run $@

# uv is several times faster; pip stays as the way for whoever has only its settings for a package index.
# Everything is compiled once here: where Python may write no bytecode, each start would take two seconds longer.
UV_ARGS := --quiet --compile-bytecode --python $(BIN)/python --no-deps --require-hashes
PIP_ARGS := --quiet --disable-pip-version-check --no-deps --require-hashes
install = { test -x $(BIN)/uv && $(BIN)/uv pip install $(UV_ARGS) -r $(1) 2>.venv/setup.log; } || \
  $(BIN)/python -m pip install $(PIP_ARGS) -r $(1)

run: .venv/.run ## start the bot; without any account: http://127.0.0.1:8765
	@exec $(BIN)/python -m bot run

test: .venv/.dev browser ## every test (PYTEST_ARGS='-k words' chooses)
	@$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

# Most tests wait for something to happen, so more of them than there are cores run at once.
PARALLEL := -n 6 --dist load --maxschedchunk 2

.PHONY: browser
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "Installing chromium for the tests of the web page ..."; \
	    { apt-get update && apt-get install -y --no-install-recommends chromium; } >/dev/null 2>.venv/chromium.log || \
	    { tail -5 .venv/chromium.log; echo "Chromium could not be installed; the tests of the web page need it."; exit 1; }; \
	  else echo "The tests of the web page need Chromium. Install it, so that 'chromium' is a command."; exit 1; fi

check: .venv/.dev browser ## exactly what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m bot docs --check
	HYPOTHESIS_PROFILE=ci $(MAKE) --no-print-directory test

bench: .venv/.dev ## measure: first text, tail, CPU, memory, history
	@$(BIN)/python -m tests.bench

chaos: .venv/.dev ## kill, freeze and cut everything at random, then audit (CHAOS='--full' is the long run)
	@$(BIN)/python -m tests.chaos

fix: .venv/.dev ## format, and repair what can be repaired by itself
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

docs: .venv/.run ## write the generated documents
	@$(BIN)/python -m bot docs

deep: .venv/.dev ## the property tests with thousands of examples
	@HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -m hypothesis $(PYTEST_ARGS)

screenshot: .venv/.dev browser ## the README's picture, from the real web workspace
	@$(BIN)/python -m tests.screenshot

lock: .venv/.python ## compile requirements*.txt from pyproject.toml
	echo uv | $(BIN)/uv pip compile $(LOCK_ARGS) --output-file requirements-setup.txt -
	$(BIN)/uv pip compile $(LOCK_ARGS) --output-file requirements.txt pyproject.toml
	$(BIN)/uv pip compile $(LOCK_ARGS) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

LOCK_ARGS := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url

clean: ## remove what was made here, but not data/ and .env
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage dist
	find bot adapters tests -name __pycache__ -prune -exec rm -rf {} +
