#!/usr/bin/env bash
# Make, or bring up to date, a virtual environment that holds exactly one hashed requirement file
# and this project, editable (with --tools: the file alone).
#
#   deploy/environment.sh [--tools] ENVIRONMENT REQUIREMENTS
#
# PYTHON chooses the interpreter (a name or a path); without it the newest suitable one is taken.
# Plain venv and pip are all it needs. When nothing has changed it says nothing and takes no time.

set -euo pipefail

project=yes
if [[ ${1:-} == --tools ]]; then
    project=no
    shift
fi
environment=$1
requirements=$2
root=$(cd "$(dirname "$0")/.." && pwd)
stamp=$environment/.complete
# Kept in step with requires-python in pyproject.toml.
suitable='import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
names='python3.13 python3.12 python3.11 python3'

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "pusterla: $*"
    exit 1
}

is_suitable() { "$1" -c "$suitable" >/dev/null 2>&1; }

choose_python() {
    local name
    if [[ -n ${PYTHON:-} ]]; then
        command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON: no such program."
        is_suitable "$PYTHON" || fail "PYTHON=$PYTHON is $("$PYTHON" -V 2>&1); 3.11, 3.12 or 3.13 is needed."
        command -v "$PYTHON"
        return
    fi
    for name in $names; do
        # A name may be found and still not run: version managers leave such stubs.
        if command -v "$name" >/dev/null && is_suitable "$name"; then
            command -v "$name"
            return
        fi
    done
    fail "no Python 3.11, 3.12 or 3.13 found (looked for: $names).
  On Debian 12:  apt-get install python3 python3-venv
  Elsewhere, name one:  make PYTHON=/path/to/python3.12 ..."
}

# What the environment was made of; any difference means that it must be made again or topped up.
fingerprint() {
    "$1" -c 'import sys; print(sys.version, sys.base_prefix)'
    printf '%s\n' "$root"
    sha256sum "$requirements" "$root/pyproject.toml" "$root/deploy/environment.sh" | cut -d ' ' -f 1
}

is_complete() {
    [[ -x $environment/bin/python && -f $stamp ]] || return 1
    [[ $(fingerprint "${asked:-$environment/bin/python}") == "$(<"$stamp")" ]]
}

has_pip() { "$environment/bin/python" -m pip --version >/dev/null 2>&1; }

# Debian's python3 comes without ensurepip, which lives in python3-venv. Three ways out, in order:
# a pip that is there already, the package (when we may install it), a message.
make_environment() {
    local python=$1 package
    if "$python" -m venv "$environment" >/dev/null 2>&1 && has_pip; then return; fi
    rm -rf "$environment"
    if "$python" -m pip --version >/dev/null 2>&1; then
        say "This Python has no ensurepip; its own pip fills the environment."
        if "$python" -m venv --without-pip "$environment" \
            && "$python" -m pip --python "$environment/bin/python" install --quiet pip \
            && has_pip; then return; fi
        rm -rf "$environment"
    fi
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [[ $(uname -s) == Linux ]] && command -v apt-get >/dev/null; then
        local as_root=()
        if [[ $(id -u) != 0 ]]; then as_root=(sudo -n); fi
        if [[ $(id -u) == 0 ]] || sudo -n true 2>/dev/null; then
            say "This Python cannot make virtual environments; installing Debian's $package ..."
            "${as_root[@]}" apt-get update -qq >&2 || true
            if "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends "$package" >/dev/null </dev/null \
                && "$python" -m venv "$environment" && has_pip; then return; fi
            rm -rf "$environment"
        fi
    fi
    fail "$python cannot make a virtual environment with a pip in it.
  On Debian:  sudo apt-get install $package     then run the same command again.
  Or name another Python:  make PYTHON=/path/to/python3.12 ..."
}

# pip says one line for each package as it goes; on a terminal they share one line.
show_progress() {
    awk -v terminal="$([[ -t 2 ]] && echo 1)" -v total="$(grep -c '^[A-Za-z0-9]' "$requirements")" '
        function show(text) {
            if (terminal) printf "\r\033[K  %s", text > "/dev/stderr"
            else print "  " text > "/dev/stderr"
            fflush("/dev/stderr")
        }
        /^(Collecting|Processing) / {
            count++
            if (terminal || count % 20 == 0) show(count " of about " total " packages")
            next
        }
        /^Installing collected/ { show("unpacking ..."); next }
        # What pip says when all is well, and what it says of settings that are not ours.
        /^(Successfully|Requirement already|  |\[notice\]|Using|Downloading|Looking in|Ignoring )/ { next }
        /^(Found existing|Uninstalling|Attempting|WARNING: Location)/ { next }
        { if (terminal) printf "\r\033[K" > "/dev/stderr"; print > "/dev/stderr" }
        END { if (terminal) printf "\r\033[K" > "/dev/stderr" }
    '
}

fill_environment() {
    local pip=("$environment/bin/python" -m pip --disable-pip-version-check --no-input)
    # Only what the file names, by hash, and it names all: what was left out there is not asked for
    # again. The project itself is built by what was just installed.
    "${pip[@]}" install --progress-bar off --only-binary :all: --require-hashes --no-deps \
        -r "$requirements" </dev/null 2>&1 | show_progress
    if [[ $project == no ]]; then return; fi
    local said
    said=$("${pip[@]}" install --no-deps --no-build-isolation -e "$root" </dev/null 2>&1) ||
        fail "installing the project itself failed:"$'\n'"$said"
}

cd "$root"
asked=
if [[ -n ${PYTHON:-} ]]; then asked=$(choose_python); fi
if is_complete; then exit 0; fi

# Two makes in one tree would tread on each other's packages.
mkdir -p "$(dirname "$environment")"
if command -v flock >/dev/null; then
    exec 9>"$environment.lock"
    flock 9
    if is_complete; then exit 0; fi
fi

python=${asked:-$(choose_python)}
started=$SECONDS
if [[ -x $environment/bin/python ]] && has_pip \
    && [[ $("$environment/bin/python" -c 'import sys; print(sys.version)') == \
        "$("$python" -c 'import sys; print(sys.version)')" ]]; then
    say "Updating $environment from $requirements ..."
    rm -f "$stamp"
else
    say "Making $environment with $("$python" -V) from $requirements (once; about a minute) ..."
    rm -rf "$environment"
    make_environment "$python"
fi
fill_environment
fingerprint "$environment/bin/python" >"$stamp"
say "Ready after $((SECONDS - started)) s."
