#!/usr/bin/env bash
# install_torch.sh VENV VERSION: torch in a virtual environment, for the CPU where there is no NVIDIA GPU.
set -euo pipefail
venv=$1 torch=$2

pip() { "$venv/bin/python" -m pip --disable-pip-version-check -q "$@"; }

there="import importlib.metadata as m, sys; sys.exit(m.version('torch').split('+')[0] != '$torch')"
if "$venv/bin/python" -c "$there" 2>/dev/null; then exit 0; fi
if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
  echo "Installing torch $torch for the NVIDIA GPU (some gigabytes)"
  pip install "torch==$torch" -c constraints.txt
else
  echo "Installing torch $torch for the CPU (no NVIDIA GPU was found)"
  pip install "torch==$torch+cpu" -c constraints.txt 2>/dev/null ||
    pip install "torch==$torch+cpu" -c constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu 2>/dev/null ||
    { echo "There is no CPU build of torch for this Python and machine; taking the standard one"; pip install "torch==$torch" -c constraints.txt; }
fi
