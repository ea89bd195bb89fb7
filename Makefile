# Complete on a machine with Python 3 and make: every target makes the virtual environment that it needs.
PYTHON ?= python3
# The last `datasets` that runs loading scripts; `make test-all` tries the others.
DATASETS ?= 3.6.0
VENV := .venv-$(DATASETS)
PIP := python -m pip install --disable-pip-version-check --no-compile
# Instead of pip, on all cores and without the libraries' tests. What this Python cannot compile is not imported.
COMPILE := python -m compileall -qq -j 0 -x '/tests?/|/pip/|/setuptools/'

.PHONY: demo test test-slow test-all lint format docs script benchmark dummy infos clean
demo: $(VENV)/done
	$(VENV)/bin/python examples/demo.py

test: $(VENV)/done
	@echo "Running the tests on datasets $(DATASETS): about four minutes on two cores. Each dot is a test that passed."
	$(VENV)/bin/python -m pytest -m "not slow"

# The long ones, and those in Ray, in Chromium, with encoders of transformers. The file that installs has few tests and
# takes minutes: in the order of the files it does not come last, when the other processes have nothing left to do.
test-slow: $(VENV)/tools
	$(VENV)/bin/python -m pytest -m slow --no-loadscope-reorder

# The versions of `datasets` that are tried, oldest first: the last one runs no scripts and reads exports.
VERSIONS ?= 2.19.2 3.6.0 5.2.0
test-all:
	set -e; for version in $(VERSIONS); do $(MAKE) test DATASETS=$$version; done
	$(MAKE) test-slow

# Style, types, one direction of imports, and the script that is built from the package; `make format` fixes style.
lint: .venv-lint/done
	.venv-lint/bin/ruff format --check .
	.venv-lint/bin/ruff check .
	.venv-lint/bin/mypy
	.venv-lint/bin/lint-imports --no-cache
	$(PYTHON) tools/build_script.py --check

# The site, to site/: the cards and docs/ in both languages, and the API reference from the docstrings. A link that leads
# nowhere ends it, and so does a page that fetches something from another server. It needs Python 3.11 or later.
# (--quiet would take the warnings from --strict.)
docs: .venv-docs/done
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict
	@echo "The site is in site/. To read it: $(PYTHON) -m http.server --directory site"

# The one-file loading script, from the modules of the package.
script:
	$(PYTHON) tools/build_script.py

format: .venv-lint/done
	.venv-lint/bin/ruff format .
	.venv-lint/bin/ruff check --fix .

benchmark: $(VENV)/done
	$(VENV)/bin/python benchmarks/local.py

# What is generated, and stored in the repository.
dummy: $(VENV)/done
	$(VENV)/bin/python -m emotiontalk dummy dummy_data
infos: $(VENV)/done
	$(VENV)/bin/python -m emotiontalk infos

$(VENV)/done: pyproject.toml
	@echo "Installing datasets $(DATASETS), the loader and its commands into $(VENV), once: about 1 GB, one to three"
	@echo "minutes where the packages arrive fast. pip shows what it downloads."
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/$(PIP) "datasets==$(DATASETS)" -e ".[test]"
	$(VENV)/bin/$(COMPILE) $(VENV)/lib || true
	touch $@

# PyTorch's CPU build where one is at hand; Chromium from the system's packages where it is not there yet.
$(VENV)/tools: $(VENV)/done
	@echo "Installing PyTorch, transformers, Ray and the toolkits for the long tests: several minutes, the first time."
	$(VENV)/bin/$(PIP) torch==2.13.0 -e ".[test-tools]"
	$(VENV)/bin/$(COMPILE) $(VENV)/lib || true
	command -v chromium >/dev/null || (apt-get update -q && apt-get install -q -y --no-install-recommends chromium)
	touch $@

# The tools of `lint` and of `docs` alone, in the versions that pyproject.toml pins.
.venv-lint/done .venv-docs/done: .venv-%/done: pyproject.toml
	@echo "Installing the tools of make $* into .venv-$*."
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/$(PIP) $$(sed -n 's/^$* = \[\(.*\)\]/\1/p' pyproject.toml | tr -d '",')
	touch $@

clean:
	rm -rf .venv-* *.egg-info site
