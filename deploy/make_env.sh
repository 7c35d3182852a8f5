#!/usr/bin/env bash
# Makes the environment of `make env`: a virtual environment with the known-good set and the native extension built in.
# Prints one clear line when the machine lacks something, and leaves a half-made environment to be finished next time.
set -euo pipefail
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}

stop() { echo "workbench: $1" >&2; exit 2; }

command -v "$PYTHON" >/dev/null || stop "no Python found; install Python 3.11 or newer: apt-get install python3 python3-venv"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "$("$PYTHON" --version) is too old; Python 3.11 or newer is needed: make run PYTHON=/path/to/python3.11"
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
  stop "Python's venv module is missing: apt-get install python3-venv"
command -v "${CXX:-c++}" >/dev/null ||
  stop "no C++ compiler found (wanted: ${CXX:-c++}), it builds the alignment extension: apt-get install g++"

pip() { "$VENV/bin/python" -m pip --disable-pip-version-check -q "$@"; }

[ -x "$VENV/bin/python" ] || { echo "Making $VENV with $("$PYTHON" --version)"; "$PYTHON" -m venv "$VENV"; }

bash "$(dirname "$0")/install_torch.sh" "$VENV" "$(sed -n 's/^torch==//p' constraints.txt)"
pip install -U pip  # 25.1 knows dependency groups
echo "Installing the other packages and building the native extension"
pip install -c constraints.txt scikit-build-core nanobind cmake ninja
pip install -c constraints.txt --no-build-isolation -e .
