PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OPTIONS ?=  # of fewcolors run, such as OPTIONS='--seed 1'

.PHONY: quickstart reproduce-cifar10 test check docs clean

quickstart: $(VENV)/installed
	$(BIN)/fewcolors run examples/quickstart.yaml $(OPTIONS)

DATA ?= data
SPEC ?= examples/paper/cifar10.yaml

reproduce-cifar10: $(VENV)/installed
	$(BIN)/fewcolors run $(SPEC) --data-root '$(DATA)' $(OPTIONS)

PROCESSES ?= 2

test: $(VENV)/installed-for-tests
	$(BIN)/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

check: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/installed-for-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo 'The documentation: build/site/index.html'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'fewcolors needs Python 3.11 or newer: make PYTHON=python3.12 ...' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e .
	touch $@

$(VENV)/installed-for-tests: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e '.[test]'
	touch $@ $(VENV)/installed

$(VENV)/installed-for-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e '.[docs]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
