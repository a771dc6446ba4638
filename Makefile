# Every command of this project. `make` alone lists them.
PYTHON ?= python3
PORT ?= 4566
export PYTHON
# Node.js releases past their end that jsii still runs on, and would warn of at every synth.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION = 18,20

RUN = .venv/bin/python -m

.PHONY: help setup demo local test test-pythons lint bench mutation synth deploy lock clean
.DEFAULT_GOAL := help

help: ## list these commands
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install everything into .venv, .venv-emulator and node_modules (nothing to do: under a second)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "This needs Python 3.11 or newer, and $(PYTHON) is `$(PYTHON) --version 2>&1`." \
	       "Name another one: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -m infra.local.setup

demo: setup ## deploy to an emulator on this machine, run a batch through failures, show what came of it
	@$(RUN) infra.local.demo

local: setup ## the same stack left running on 127.0.0.1 (PORT=4566, BACKEND_URL=, BACKEND_MODEL=)
	@$(RUN) infra.local.serve --port $(PORT)

test: setup lint ## every check: ruff, mypy, unit, integration, infrastructure and end-to-end tests
	$(RUN) pytest -n 2 --dist loadfile --durations=15

test-pythons: setup ## import, unit tests and synth on every supported Python (3.11 to 3.14) of this machine
	@$(RUN) infra.local.pythons

lint: setup ## ruff and mypy alone
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: setup ## measure beside boto3 and others, write docs/benchmarks (SHORT=1: only see that it runs)
	@$(PYTHON) -m infra.local.setup --bench
	$(RUN) tests.benchmarks.run $(if $(SHORT),--short)

mutation: setup ## test the tests: run mutation testing of the library's core (hours; see docs/mutation-testing.md)
	@$(PYTHON) -m infra.local.setup --mutation
	.venv-mutation/bin/mutmut run --max-children 2

synth: setup ## write the CloudFormation template to cdk.out
	node_modules/.bin/cdk synth --quiet

deploy: setup ## deploy to the AWS account that your credentials name
	@echo "Deploys to the account of your AWS credentials, in AWS_REGION. The account needs, once," \
	      "'node_modules/.bin/cdk bootstrap', and access to the models in cdk.json (see README.md, Deploy to AWS)." \
	      "New permissions are shown, and wait for your yes."
	@$(RUN) infra.credentials
	node_modules/.bin/cdk deploy --require-approval broadening

lock: ## resolve requirements/*.in and package.json again
	@$(PYTHON) -m infra.local.setup --lock

clean: ## remove what runs leave behind (the environments stay)
	rm -rf .local cdk.out cdk.out.* .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './.venv*' -not -path './node_modules/*' -prune -exec rm -rf {} +
