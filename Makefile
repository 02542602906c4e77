# The commands of this project. `make` alone lists them; design and file layout are in README.md.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

PYTHON ?= python3
# What `make demo` sets up: the name of a file in examples/.
TARGET ?= vercel
STACK ?= production
# Where the Pulumi engine is taken from: auto, path, download or build.
ENGINE ?= auto
# The AWS plug-in that the engine has in the sandbox: standin, official (Pulumi's own; downloaded where the user has none),
# or the path of a program that was built.
PROVIDER ?= standin
export EONPRO_PROVIDER = $(PROVIDER)
# More arguments for the command: make test ARGS="-k rotation"
ARGS ?=

V := .venv/bin/python

# They would lead the pinned Python astray, or keep it from caching what it compiles.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONSTARTUP PYTHONDONTWRITEBYTECODE VIRTUAL_ENV CONDA_PREFIX
unexport PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV

# A real account's variables must not reach the sandbox's runs, and no proxy stands before this machine itself.
# An assignment from a failed command substitution fails, which `eval "$(...)"` would hide.
# EONPRO_CALLER_PATH: what is printed is typed in the caller's shell, whose PATH is not the sandbox's.
IN_SANDBOX = EONPRO_CALLER_PATH="$$PATH"; export EONPRO_CALLER_PATH; unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_ROLE_ARN \
	AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI \
	AWS_CA_BUNDLE AWS_USE_FIPS_ENDPOINT AWS_USE_DUALSTACK_ENDPOINT AWS_IGNORE_CONFIGURED_ENDPOINT_URLS \
	PULUMI_ACCESS_TOKEN PULUMI_CONFIG_PASSPHRASE_FILE PULUMI_STACK PULUMI_CONFIG; \
	NO_PROXY="127.0.0.1,localhost,::1$${NO_PROXY:+,$$NO_PROXY}"; no_proxy="$$NO_PROXY"; export NO_PROXY no_proxy; \
	$(V) -m sandbox start && exports="$$($(V) -m sandbox env)" && eval "$$exports" &&

.PHONY: help setup test-setup demo wizard test unit check chaos blind views bench mutation django6-tests vercel-cli-tests release lock clean

help:
	@echo 'make setup      set this checkout up: packages, Pulumi engine, AWS CLI (ENGINE=auto|path|download|build)'
	@echo 'make demo       set up, then the whole onboarding, unattended, in the sandbox (TARGET=vercel|ecs|…: examples/)'
	@echo '                with PROVIDER=official by Pulumi'"'"'s own AWS plug-in; PROVIDER=PATH by another; wizard, test, chaos too'
	@echo 'make wizard     set up, then the same with its questions, in the sandbox'
	@echo 'make test       set up, then the tests (ARGS="-k rotation" for some of them)'
	@echo 'make unit       set up, then the tests that start nothing (under a minute)'
	@echo 'make check      format, lint, types, tests, chaos, blind, views'
	@echo 'make chaos      crashes, faults and races in the sandbox: nothing lost, nothing twice (ARGS=--long for an hour)'
	@echo 'make views      ask every view of a stack about every fault, and compare what they say'
	@echo 'make blind      run every command that is printed for a fault: healed, nearer, no change, worse'
	@echo 'make bench      measure this product beside the plain tools (ARGS="phi" for some rows)'
	@echo 'make mutation   change the cipher and the key cache in small ways; each change must fail a test'
	@echo 'make django6-tests  the fields of phi under Django 6.1 (PYTHON=python3.13: it needs 3.12 or newer)'
	@echo 'make vercel-cli-tests  the stand-in for Vercel under Vercel'"'"'s own CLI (Node.js 18 or newer)'
	@echo 'make release    wheels, source distributions, SBOM, checksums and notes of HEAD in dist/ (ARGS=--snapshot to try it)'
	@echo 'make lock       write uv.lock and requirements.txt from pyproject.toml (ARGS=--upgrade for newer versions)'
	@echo 'make clean      stop the sandbox and remove all that the set-up, the sandbox and the tools made'
	@echo
	@echo 'A real account: make setup, then .venv/bin/eonpro-kms'

setup:
	@$(PYTHON) -m tools.bootstrap --engine $(ENGINE)

# What the tests alone need, so nobody else waits for it: linters, shells, a browser, a database.
test-setup: setup
	@$(PYTHON) -m tools.bootstrap --tests

# Vercel and ECS share the sandbox and the stack, for one is set up on top of the other. Every other example gets a cloud
# of its own: its key cannot become another's.
ifneq ($(filter $(TARGET),vercel ecs),$(TARGET))
export EONPRO_SANDBOX_DIR := $(CURDIR)/.sandboxes/$(TARGET)
demo: STACK = $(TARGET)
endif

# The default is the one that is tried here: said where a run fails under another.
ifneq ($(PROVIDER),standin)
PREPARED = $(V) -m sandbox prepare &&
OTHERWISE = || { code=$$?; echo 'The AWS plug-in was PROVIDER=$(PROVIDER). The sandbox is tested with its own: PROVIDER=standin' >&2; exit $$code; }
endif

# What is there before the wizard comes; nothing, for most.
BEFORE = :
ifeq ($(TARGET),imported)
BEFORE = if pulumi stack select $(STACK) >/dev/null 2>&1; then :; else bash examples/manual-setup/guide.sh; fi
MORE = --adopt
endif
ifeq ($(TARGET),existing-trail)
BEFORE = if pulumi stack select $(STACK) >/dev/null 2>&1; then :; else bash examples/manual-setup/trail.sh; fi
MORE = --trail "arn:aws:cloudtrail:us-east-1:$$(aws sts get-caller-identity --query Account --output text):trail/company-trail"
endif

demo: setup
	@$(IN_SANDBOX) { { { $(BEFORE); } \
	&& $(V) -m wizard --stack $(STACK) --answers examples/$(TARGET).yaml --yes --non-interactive $(MORE) $(ARGS) \
	&& { shown="$$(pulumi preview --stack $(STACK) --expect-no-changes --non-interactive --policy-pack guardrails 2>&1)" \
	  || { code=$$?; printf '%s\n' "$$shown"; (exit $$code); }; } && echo && echo '✓ pulumi preview, with the guardrails: nothing to change' \
	&& $(V) -m tools.application --stack $(STACK); }; code=$$?; echo; $(V) -m sandbox status; (exit $$code) $(OTHERWISE); }

wizard: setup
	@$(IN_SANDBOX) { $(V) -m wizard --stack $(STACK) $(ARGS); code=$$?; echo; $(V) -m sandbox status; (exit $$code) $(OTHERWISE); }

# Three workers for two cores, a file to each: most tests wait for an engine or a server. In the order of their names,
# for the files with few tests are the long ones: begun last, one of them would run alone at the end.
PYTEST = $(V) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 20 --durations-min 2 --junitxml .artefacts/tests.xml

# Without the tests that say again, at length, what others say: `make check` passes those too.
test: test-setup
	@$(PREPARED) { $(PYTEST) -m 'not thorough' $(ARGS) $(OTHERWISE); }

# Without a server, an engine or a terminal: while code is being written.
UNIT = components/policies components/settings guardrails/test_rules.py wizard/core wizard/inputs wizard/targets \
	wizard/data_key phi/cipher

unit: setup
	@$(PYTEST) -m 'not thorough' $(addprefix tests/,$(UNIT)) $(ARGS)

check: test-setup
	$(V) -m ruff format --check .
	$(V) -m ruff check .
	$(V) -m mypy
	$(PYTEST) $(ARGS)
	$(V) -m tests.chaos
	$(V) -m tests.blind
	$(V) -m tests.blind.views

# Histories that break the product, for ten minutes, and one table of what they came to. ARGS="--seed 7", --long,
# --only races, --history NAME.
chaos: setup
	@$(PREPARED) { $(V) -m tests.chaos $(ARGS) $(OTHERWISE); }

# Faults of all kinds, and what each command came to that was printed for them. ARGS="--only NAME,NAME", --write.
blind: setup
	@$(PREPARED) { $(V) -m tests.blind $(ARGS) $(OTHERWISE); }

views: setup
	@$(V) -m tests.blind.views $(ARGS)

# What one of the commands below alone needs: nobody else waits for it.
tool-%:
	@$(PYTHON) -m tools.bootstrap --tool $*

# All parts, or some: make bench ARGS="phi" (a minute), node, reencryption, search, commands.
bench: setup
	@$(V) -m tools.bench $(ARGS)

# The model field under the other version of Django, in its own environment, by a Python that it runs on.
DJANGO6 := .cache/tools/django6
DJANGO6_PINS := tests/phi/adapters/requirements-django6.txt
DJANGO6_TESTS := django django_queries search_django moving_columns typed_fields rows_django rows_django_writes \
	rows_django_declared rows_django_random operations_django

$(DJANGO6)/installed: $(DJANGO6_PINS)
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 12) else "Django 6.1 needs Python 3.12: make django6-tests PYTHON=python3.13")'
	@$(PYTHON) -m venv --clear $(DJANGO6)
	@$(DJANGO6)/bin/python -m pip install --quiet --require-hashes -r $(DJANGO6_PINS)
	@touch $@

django6-tests: $(DJANGO6)/installed
	@$(DJANGO6)/bin/python -m pytest --confcutdir=tests/phi $(DJANGO6_TESTS:%=tests/phi/adapters/test_%.py) $(ARGS)

# Vercel's own CLI against the stand-in; npm installs it (160 MB) as its lock file says, with hashes. Not by npm ci: that
# asks for optional programs of other machines, which the lock does not have.
VERCEL_CLI := .cache/tools/vercel-cli
VERCEL_CLI_LOCK := tests/sandbox/vercel/cli/package-lock.json

$(VERCEL_CLI)/node_modules/.package-lock.json: $(VERCEL_CLI_LOCK)
	@mkdir -p $(VERCEL_CLI)
	@cp $(VERCEL_CLI_LOCK) $(dir $(VERCEL_CLI_LOCK))package.json $(VERCEL_CLI)/
	@cd $(VERCEL_CLI) && npm install --no-save --ignore-scripts --omit=optional --no-audit --no-fund
	@touch $@

vercel-cli-tests: setup $(VERCEL_CLI)/node_modules/.package-lock.json
	@$(V) -m pytest tests/sandbox/vercel/cli/commands.py $(ARGS)

# How many changes of the cipher and of the key cache the tests find.
mutation: setup tool-mutation
	@$(V) -m tools.bench.mutation $(ARGS)

# Publishes nothing: docs/releasing.md.
release: setup
	@$(V) -m tools.release $(ARGS)

lock:
	@$(PYTHON) -m tools.bootstrap --lock $(ARGS)

# Pulumi.<stack>.yaml and saved answers stay: they are the user's.
clean:
	@if [ -x $(V) ] && [ -d .sandbox ]; then $(V) -m sandbox stop; fi
	@for one in .sandboxes/*; do \
		if [ -x $(V) ] && [ -d "$$one" ]; then EONPRO_SANDBOX_DIR="$$one" $(V) -m sandbox stop; fi; done
	@if [ -d .cache/go-path ]; then chmod -R u+w .cache/go-path; fi
	rm -rf .venv .cache .sandbox .sandboxes .artefacts dist .hypothesis .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +
