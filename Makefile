# The commands of this project. `make` without a target lists them.
PYTHON ?= python3
PORT ?= 4566
export PYTHON
# Do not warn at every synth about Node.js releases without support that jsii still runs on.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION = 18,20
# Without byte code, every process compiles this project and its packages again.
unexport PYTHONDONTWRITEBYTECODE

RUN = .venv/bin/python -m

.PHONY: help setup demo local test test-clients test-browser test-pythons lint bench mutation reference docs synth deploy lock clean
.DEFAULT_GOAL := help

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 22

setup: ## install .venv, .venv-lambda, .venv-emulator and node_modules from their lock files
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is required, but $(PYTHON) is `$(PYTHON) --version 2>&1`." \
	       "Select another Python, for example: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -m local.setup

demo: setup ## deploy to a local AWS emulator, run a batch with injected faults, and print the results
	@$(RUN) local.demo

local: setup ## run the stack on 127.0.0.1 until Ctrl-C (PORT=4566 and the next, BACKEND_URL=, BACKEND_MODEL=)
	@$(RUN) local.serve --port $(PORT)

test: setup lint ## run all checks: ruff, mypy, unit, integration, infrastructure and end-to-end tests
	@# Three processes for two cores, because one of them mostly waits for the deployed stack.
	$(RUN) pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=15

test-clients: setup ## test the streaming API with the clients of OpenAI, Anthropic and LangChain
	@$(PYTHON) -m local.setup --clients
	.venv-clients/bin/python -m pytest tests/clients

test-browser: setup ## test the report of a batch in Chromium, which is installed from Debian or Ubuntu if missing
	@$(RUN) local.chromium
	$(RUN) pytest tests/browser

test-pythons: setup ## test import, unit tests and synth on each installed Python from 3.11 to 3.14 (OTHERS=1: except that of .venv)
	@$(RUN) local.pythons $(if $(OTHERS),--others)

lint: setup ## run ruff and mypy only
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: setup ## compare with boto3 and other libraries, and write docs/benchmarks (SHORT=1: short trial run)
	@$(PYTHON) -m local.setup --bench$(if $(SHORT),-short)
	$(RUN) tests.benchmarks.run $(if $(SHORT),--short)

mutation: setup ## run mutation testing of the library's core (takes hours, see docs/mutation-testing.md)
	@$(PYTHON) -m local.setup --mutation
	.venv-mutation/bin/mutmut run --max-children 2

reference: setup ## write the reference pages that are generated from the code
	@$(RUN) local.generate_reference
	@$(RUN) infra.settings_files

docs: ## build the documentation as a searchable site in .local/docs, and check its links
	@$(PYTHON) -m local.setup --docs
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build
	@echo "Open .local/docs/index.html"

synth: setup ## write the CloudFormation template to cdk.out
	node_modules/.bin/cdk synth --quiet

deploy: setup ## deploy to the AWS account of your credentials
	@echo "Deploying to the account of your AWS credentials, in AWS_REGION. Prerequisites: you have" \
	      "run 'node_modules/.bin/cdk bootstrap' once, and the account has access to the models in" \
	      "cdk.json (see docs/deployment.md). New permissions need your confirmation."
	@$(RUN) infra.credentials
	node_modules/.bin/cdk deploy --require-approval broadening

lock: ## resolve requirements/*.in and package.json, and write the lock files
	@$(PYTHON) -m local.setup --lock

clean: ## remove generated files and caches (keeps the environments)
	rm -rf .local cdk.out cdk.out.* .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './.venv*' -not -path './node_modules/*' -prune -exec rm -rf {} +
