#!/bin/sh
# Print the path of the newest Python that this project can use: `newest_python.sh [3.12]`.
#
# It searches PATH and the folders of pyenv and uv. It runs each candidate, because pyenv has shims
# that do not work. A candidate must be a final CPython >= 3.11 with the modules imported below.

probe='
import sys
if sys.version_info >= (3, 11) and sys.version_info.releaselevel == "final":
    import ensurepip, sqlite3, ssl, venv
    if sys.implementation.name == "cpython" and sys.argv[1] in ("", "%d.%d" % sys.version_info[:2]):
        print("%03d.%03d.%03d" % sys.version_info[:3])
'

candidates() {
    for name in python3.15 python3.14 python3.13 python3.12 python3.11 python3 python; do
        command -v "$name"
    done
    printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python
    printf '%s\n' "${UV_PYTHON_INSTALL_DIR:-$HOME/.local/share/uv/python}"/*/bin/python3
}

newest=$(
    candidates | while read -r python; do
        version=$("$python" -c "$probe" "$1" 2>/dev/null </dev/null)
        [ -n "$version" ] && echo "$version $python"
    done | sort | tail -n 1 | cut -d ' ' -f 2-
)

if [ -z "$newest" ]; then
    echo "Found no Python ${1:->= 3.11} that runs and has ssl, sqlite3, venv and ensurepip." >&2
    echo "On Debian and Ubuntu: apt-get install python3 python3-venv" >&2
    exit 1
fi
echo "$newest"
