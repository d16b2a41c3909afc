# `make run` runs the main job, `make test` passes the tests.
# Each first sets up .venv when it is missing or out of date. Byte code is left to the first import:
# most of what is installed is never imported, and would take half of the time.
PYTHON   ?= python3
VENV     ?= .venv
SCENARIO ?= scenarios/iiot_20dev.toml
PIPFLAGS ?=
# Containers often forbid byte code: then each process compiles all that it imports, a start takes three
# times as long, and so do the tests.
export PYTHONDONTWRITEBYTECODE :=
BIN      := $(VENV)/bin
PIP      := $(BIN)/python -m pip --disable-pip-version-check
# The editable install is a tree of links, build/__editable__*: it is renewed when a folder's
# time says that a file was added or removed, and when it is gone.
FOLDERS  := $(shell find commands simulator policies scenarios traces experiments -type d ! -name __pycache__)
RELINK   := $(if $(wildcard build/__editable__.*),,relink)

.PHONY: run test test-slow docs mutants bench lint types check wheel release clean relink

run: $(VENV)/linked
	$(BIN)/edgesim run $(SCENARIO)

# worksteal: a worker takes files in order, so that what a file's tests share is mostly made once.
test: $(VENV)/compiled
	$(BIN)/python -m pytest -n auto --dist worksteal

test-slow: $(VENV)/developed
	$(BIN)/python -m pytest -n auto -m slow

# The site, in build/site: open its index.html. Warnings are errors.
docs: $(VENV)/developed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Would the tests notice a wrong line? Takes hours; MUTANTS='--only REGEX' tries some.
mutants: $(VENV)/compiled
	$(BIN)/python tests/mutants.py $(MUTANTS)

bench: $(VENV)/developed
	$(BIN)/python -m benchmarks

lint: $(VENV)/developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/developed
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks building

check: lint types test

# build/lib is never cleaned by setuptools: a deleted module would be shipped again.
wheel: $(VENV)/developed
	rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m build

# What is published, checked and tried at the lowest and the newest versions; half an hour.
release: $(VENV)/developed
	$(PIP) install --quiet $(PIPFLAGS) -e '.[release]'
	PYTHON=$(PYTHON) BIN=$(BIN) .ci/release

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache

$(VENV)/installed: setup.cfg pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP) install --no-compile $(PIPFLAGS) -e . 'setuptools>=77'
	rm -f $(VENV)/linked
	touch $@

$(VENV)/linked: $(VENV)/installed $(FOLDERS) $(RELINK)
	if test -e $@; then $(PIP) install -q --no-deps --no-build-isolation -e .; fi
	touch $@

$(VENV)/developed: setup.cfg pyproject.toml | $(VENV)/linked
	$(PIP) install --no-compile $(PIPFLAGS) -e '.[dev]'
	touch $@

# Else each of the tests' processes compiles the same functions.
$(VENV)/compiled: $(VENV)/developed $(VENV)/linked tests/compile_first.py $(shell find simulator policies -name "*.py")
	$(BIN)/python tests/compile_first.py
	touch $@
