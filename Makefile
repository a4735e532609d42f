# One command to be right: make check
PYTHON ?= $(shell test -x .venv/bin/python && echo .venv/bin/python || echo python3)

.PHONY: check format-check lint types fast-tests format test coverage demo docs

check: format-check lint types docs fast-tests

format-check:
	$(PYTHON) -m ruff format --check .

lint:
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

fast-tests:
	$(PYTHON) -m pytest --no-cov -m "not slow and not realdata"

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

test:
	$(PYTHON) -m pytest

# apart from `test`, since tracing every line costs a good part of the time
coverage:
	$(PYTHON) -m pytest --cov=llmrec_env --cov=agents --cov-report=term:skip-covered

demo:
	$(PYTHON) -m llmrec_env.cli demo

# the site, into site/; a warning, a dead link or a dead anchor is an error
docs:
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet
