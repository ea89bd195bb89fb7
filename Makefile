# Complete on a machine with Python 3 and make: every target makes the virtual environment that it needs.
PYTHON ?= python3
# The last `datasets` that runs loading scripts; `make test-all` tries the others.
DATASETS ?= 3.6.0
VENV := .venv-$(DATASETS)

.PHONY: demo test test-all benchmark dummy infos clean
demo: $(VENV)/done
	$(VENV)/bin/python -m emotiontalk_tools demo

test: $(VENV)/done
	$(VENV)/bin/python -m pytest

# The versions of `datasets` that are tried, oldest first: the last one runs no scripts and reads exports.
VERSIONS ?= 2.19.2 3.6.0 5.2.0
test-all:
	set -e; for version in $(VERSIONS); do $(MAKE) test DATASETS=$$version; done

benchmark: $(VENV)/done
	$(VENV)/bin/python benchmarks/local.py

# What is generated and kept in the repository.
dummy: $(VENV)/done
	$(VENV)/bin/python -m emotiontalk_tools dummy dummy_data
infos: $(VENV)/done
	$(VENV)/bin/python -m emotiontalk_tools infos

$(VENV)/done: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check "datasets==$(DATASETS)" -e ".[test]"
	touch $@

clean:
	rm -rf .venv-* *.egg-info
