# Two commands do all the set-up: `make demo` and `make test`. They need python3 (3.11 to 3.13) and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Training on a CPU moves gigabytes a step: large memory pages save a third of its time (Linux; ignored elsewhere).
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

.PHONY: demo test check wheels format lock benchmark clean

# Simulated DCASE 2020 archives -> dataset -> trained STgram-MFN -> the official result table.
demo: $(INSTALLED)
	$(BIN)/asd demo

test: check
	$(BIN)/pytest --numprocesses=auto --dist=loadfile

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy asd_jax data/tfds_dcase data/tfds_dcase_command launch configs benchmarks tests

# Both wheels in an empty environment, away from the checkout.
wheels: $(INSTALLED)
	.ci/wheels $(BIN)/python

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Each benchmark runs ours and the alternative in one process and prints the ratio.
benchmark: $(INSTALLED)
	for name in start_up log_mel pipeline build bootstrap stgram_step aegan_step anomaly_transformer_step mobilenetv2_step; do $(BIN)/python -m benchmarks.$$name || exit 1; done

# requirements.txt: a CUDA 12 machine, all that the library needs. requirements-cpu.txt: a CPU, and the tools to develop.
lock: $(INSTALLED)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras --no-annotate --no-emit-package tfds-dcase \
	  --custom-compile-command "make lock" --extra cuda12 pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras --no-annotate --no-emit-package tfds-dcase \
	  --custom-compile-command "make lock" --extra dev pyproject.toml --output-file requirements-cpu.txt

$(INSTALLED): requirements-cpu.txt pyproject.toml data/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-cpu.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable ./data --editable .
	touch $@

clean:
	rm -rf $(VENV) datasets/simulated runs/demo dist
