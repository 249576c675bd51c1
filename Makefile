# make repro   the environment, and the whole pipeline on the bundled competition
# make test    the environment, and the tests

PYTHON ?= python3
VENV   := .venv
READY  := $(VENV)/ready

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install repro test lint

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: $(READY) ## make the environment in .venv, every version pinned

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Repodium needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $(READY)

repro: $(READY) ## run the pipeline, then show the scores and how to submit
	dvc repro
	@repodium summary

test: $(READY) lint ## run the tests
	python -m pytest

lint: $(READY) ## check style
	ruff check .
	ruff format --check .
