# Everything a newcomer needs: Python 3.11 or later and make. Set-up happens by itself and writes to stderr,
# so that the standard output of `make run` carries the protocol and nothing else.

VENV ?= .venv
PYTEST_ARGS ?=
BIN := $(VENV)/bin
DIST := build/wheel
SOURCES := $(shell find mcp_dockerhub security/mcp_dockerhub_security monitoring/mcp_dockerhub_monitoring \
	-not -path '*/__pycache__*' 2>/dev/null)
# Of the checkout only `tests` and `demo` can be imported, in processes that tests start too: the rest is the wheel.
AGAINST_WHEEL = PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/build/path
# An editable installation, once asked for with `make dev`, serves every target but `test`.
INSTALLED = $(if $(wildcard $(VENV)/.editable),$(VENV)/.editable,$(VENV)/.wheel)

.PHONY: help demo test check conformance bench run image image-test scan dev docs format lock docker-registry clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(INSTALLED) ## see the server answer questions, against a registry and a Hub on this machine
	@$(BIN)/python -m demo.demo

test: $(VENV)/.wheel docker-registry ## run every test against the built wheel, with coverage
	@mkdir -p build/path && ln -sfn ../../tests ../../demo build/path/
	@$(BIN)/coverage erase
	$(AGAINST_WHEEL) $(BIN)/coverage run $(BIN)/pytest $(PYTEST_ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report
	@$(BIN)/python scripts/coverage_floors.py

check: $(INSTALLED) ## lint, format, types, layers, locks, generated documents
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=.:security:monitoring $(BIN)/lint-imports
	$(BIN)/python scripts/lock.py --check
	$(BIN)/python scripts/generate_docs.py --check
	$(BIN)/python scripts/generate_dashboards.py --check
	$(BIN)/python scripts/catalog_tools.py --check
	scripts/deploy-rules --check

conformance: $(INSTALLED) ## run the official conformance suite for both protocol eras
	@scripts/conformance $(BIN)/python

bench: $(INSTALLED) ## measure start, latency and memory next to a bare server
	@$(BIN)/python -m benchmarks.run

image: ## build the container image with the engine at hand
	@scripts/image-build

image-test: $(INSTALLED) docker-registry ## build the image and test it, where there is an engine
	@VENV=$(VENV) scripts/image-test $(PYTEST_ARGS)

scan: ## scan sources, deployments and, where there is an engine, the image
	@scripts/scan

run: $(INSTALLED) ## start the stdio server against Docker Hub
	@exec $(BIN)/mcp-dockerhub

dev: $(VENV)/.editable ## install the checkout editable, for running single tests

docs: $(INSTALLED) ## write everything that is generated anew
	$(BIN)/python scripts/generate_docs.py
	$(BIN)/python scripts/generate_dashboards.py
	$(BIN)/python scripts/catalog_tools.py
	scripts/deploy-rules

format: $(VENV)/.deps ## put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(VENV)/.deps ## write the requirement locks anew
	$(BIN)/python scripts/lock.py

docker-registry:
	@scripts/install-docker-registry
	@scripts/install-redis-server
	@scripts/install-proxies

clean: ## remove the virtual environment and everything built or measured
	rm -rf $(VENV) build dist .coverage .coverage.* .hypothesis .*_cache

$(VENV)/.deps: requirements/dev.lock scripts/bootstrap
	@echo "Installing the locked packages into $(VENV)" >&2
	@scripts/bootstrap $(VENV) requirements/dev.lock >&2
	@touch $@

# The back end is locked like everything else: no isolated build that would fetch an unlocked one.
$(VENV)/.wheel: $(VENV)/.deps pyproject.toml README.md LICENSE $(SOURCES)
	@echo "Building and installing the wheel" >&2
	@rm -rf $(DIST) $(VENV)/.editable
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir $(DIST) . >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall $(DIST)/*.whl >&2
	@touch $@

$(VENV)/.editable: $(VENV)/.deps pyproject.toml
	@rm -f $(VENV)/.wheel
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . >&2
	@touch $@
