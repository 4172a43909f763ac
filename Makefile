PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: run test check fidelity reliability clean

run: $(VENV)/run.done  ## install what the app needs, then open it
	$(BIN)/streamlit run app.py

test: $(VENV)/test.done  ## install what the tests need, then run them
	$(BIN)/python -m pytest

check: $(VENV)/test.done  ## what CI checks besides the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/check_layout.py
	$(BIN)/mypy

fidelity: $(VENV)/test.done  ## hold every formula and variant against its paper, in minutes
	$(BIN)/python -m bench.fidelity --quick

reliability: $(VENV)/test.done  ## spoil and kill what strangers can reach, in a minute; --all adds crowds, which are timed
	$(BIN)/python -m bench.reliability checkpoints uploads kills servers disk --reduced

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.done: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

$(VENV)/test.done: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV)
