#!/bin/sh
# Makes the virtual environment $1 with the newest Python that will do, or says what to install.
set -eu
venv=$1
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c "$fits" 2>/dev/null &&
    "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

# PYTHON comes first, then whatever is found; a name may exist and still not run (version managers).
for python in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
    if "$python" -c "$fits" 2>/dev/null; then
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$python has no venv or pip. On Debian and Ubuntu: apt install python3-venv" >&2
            missing=yes
            continue
        fi
        echo "Making $venv with $("$python" --version)"
        rm -rf "$venv"
        exec "$python" -m venv "$venv"
    fi
done

if [ -z "${missing:-}" ]; then
    echo "compat-server needs Python 3.11, 3.12 or 3.13 and found none." >&2
    echo "Debian, Ubuntu: apt install python3 python3-venv   macOS: brew install python@3.13" >&2
    echo "Elsewhere it can be named: make PYTHON=/path/to/python3.12 serve" >&2
fi
exit 1
