# Every target sets up $(VENV) by itself when it is missing or out of date,
# and prints the plain commands that it runs.
PYTHON ?= python3
VENV ?= .venv
# Other people's runtimes, in an environment of their own.
REFEREE ?= .venv-referee
# PyTorch without CUDA is a tenth of the size. Where this address does not
# answer, the package index has to do.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
DEMO ?= runs/demo
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
REFEREE_PIP = $(REFEREE)/bin/python -m pip --disable-pip-version-check --quiet

.PHONY: demo demo-mixup demo-erm demo-varmixup test quick slow referee gpu docs faults lint format setup clean distclean

setup: $(VENV)/.installed

# The mark is set last: an interrupted set-up starts over.
$(VENV)/.created:
	@$(PYTHON) apps/_check_python.py
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.created
	@echo "Installing TensorFlow and the rest; this takes a few minutes."
	$(PIP) install --upgrade pip
	$(PIP) install --editable '.[plots,serving,dev]'
	touch $@

# Trains on digits with mixup and, for comparison, without; attacks both with
# and without Mixup Inference; exports; loads the export with TensorFlow alone.
# Some four minutes on two cores after the set-up. A second call continues an
# interrupted first one; DEMO=runs/other is fresh.
# The last step's weights are used: 120 epochs are the setting, not a choice.
demo: $(VENV)/.installed
	@mkdir -p $(DEMO); \
	$(MAKE) --no-print-directory demo-erm > $(DEMO)/erm.log 2>&1 & plain=$$!; \
	$(MAKE) --no-print-directory demo-mixup; mixup=$$?; \
	wait $$plain; plain=$$?; cat $(DEMO)/erm.log; \
	test $$mixup -eq 0 && test $$plain -eq 0
	@echo "Reports: $(DEMO)/mixup/report.html and, without mixup, $(DEMO)/erm/report.html"

demo-mixup: $(VENV)/.installed
	$(BIN)/python -m apps.train --flagfile=digits/mixup.flags --run_dir=$(DEMO)/mixup --resume --verbose=0
	$(BIN)/python -m apps.evaluate --flagfile=digits/evaluate.flags --run_dir=$(DEMO)/mixup --classifier=$(DEMO)/mixup/final.keras
	$(BIN)/python -m apps.export --flagfile=digits/export.flags --run_dir=$(DEMO)/mixup --classifier=$(DEMO)/mixup/final.keras
	$(BIN)/python examples/load_export.py saved_models/digits

# Beside it on the second core; its output comes at the end.
demo-erm: $(VENV)/.installed
	$(BIN)/python -m apps.train --flagfile=digits/erm.flags --run_dir=$(DEMO)/erm --resume --verbose=0
	$(BIN)/python -m apps.evaluate --flagfile=digits/evaluate.flags --run_dir=$(DEMO)/erm --classifier=$(DEMO)/erm/final.keras --defences=mixup_inference_ol

# The same for VarMixup: an autoencoder, a classifier trained on mixtures of its
# codes, VarMI in front of it; report, pictures, export. Some ten minutes.
F = digits
demo-varmixup: $(VENV)/.installed
	$(BIN)/python -m apps.train --flagfile=$(F)/vae.flags --run_dir=$(DEMO)/vae --resume --verbose=0
	$(BIN)/python -m apps.train --flagfile=$(F)/varmixup.flags --vae=$(DEMO)/vae --run_dir=$(DEMO)/varmixup --resume --verbose=0
	$(BIN)/python -m apps.evaluate --flagfile=$(F)/evaluate_varmixup.flags --vae=$(DEMO)/vae --run_dir=$(DEMO)/varmixup --classifier=$(DEMO)/varmixup/final.keras
	$(BIN)/python -m apps.export --flagfile=$(F)/export_varmixup.flags --vae=$(DEMO)/vae --run_dir=$(DEMO)/varmixup --classifier=$(DEMO)/varmixup/final.keras
	$(BIN)/python examples/load_export.py saved_models/digits_varmi
	@echo "The autoencoder's pictures: $(DEMO)/vae/report.md; the report: $(DEMO)/varmixup/report.html"

# Two processes: most of a test's time is tracing, which one core does alone.
# A file stays in one of them, so that its models are made and traced once.
WORKERS ?= 2
test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Two minutes that touch every package; tests/quick.txt lists the files.
quick: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $$(cat tests/quick.txt)

slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow

$(REFEREE)/.installed: pyproject.toml
	@$(PYTHON) apps/_check_python.py
	$(PYTHON) -m venv --clear $(REFEREE)
	$(REFEREE_PIP) --retries 0 install 'torch>=2.6' --index-url $(TORCH_INDEX) || echo 'The package index has PyTorch as well, with CUDA.'
	$(REFEREE_PIP) install --editable '.[plots,serving,dev,referee]'
	touch $@

referee: $(REFEREE)/.installed
	$(REFEREE)/bin/python -m pytest -m referee

gpu: $(VENV)/.installed
	$(BIN)/python -m pytest -m gpu

# Kills, damages and starves runs, and writes the table of docs/reliability.md.
# A second call goes on where the first was stopped.
faults: $(VENV)/.installed
	$(BIN)/python tests/faults/run.py --write

# The site, in build/site; a warning is an error.
docs: $(VENV)/.installed
	$(PIP) install --editable '.[docs]'
	$(BIN)/python -m mkdocs build

lint: $(VENV)/.installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(VENV)/.installed
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache
	find apps benchmarks examples keras_mixup tests -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(REFEREE)
