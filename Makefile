# make help     this
# make install  what is pinned, into .venv; then `source .venv/bin/activate` for `transire`
# make demo     run the main job on a fresh machine (ARGS="--once --port 8080 --json --data DIR")
# make test     exactly what CI runs
# make explore  the property tests with new examples, and more of them (minutes)
# make schemas  schemas/ anew, from the code (a test compares)
# make bench    honest ratios on this machine (ARGS=… as `transire bench` takes them)
SHELL := /bin/bash
PY ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help install demo test explore schemas bench check fast format clean

install: $(VENV)/.installed

help:
	@sed -n 's/^# make/make/p' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PY) -m venv $(VENV)
	@echo "installing pinned requirements (first run takes a minute or two) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install
	@$(BIN)/transire demo $(ARGS)

test: install check
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

explore: install
	@HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -n 2 tests/properties $(ARGS)

schemas: install
	@UPDATE_SCHEMAS=1 $(BIN)/python -m pytest -q tests/unit/bundle/test_publish.py $(ARGS)

check: install
	@$(BIN)/ruff format --check src tests audit
	@$(BIN)/ruff check src tests audit
	@$(BIN)/mypy

fast: install
	@$(BIN)/python -m pytest -m "not slow and not server" $(ARGS)

bench: install
	@$(BIN)/python -m tests.bench $(ARGS)

format: install
	@$(BIN)/ruff format src tests audit
	@$(BIN)/ruff check --fix src tests audit

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis
