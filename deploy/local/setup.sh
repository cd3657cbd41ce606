#!/usr/bin/env bash
# Makes this checkout runnable. Called by the Makefile; every part may be repeated.
#
#   setup.sh python       .venv from requirements.lock, our own packages editable
#   setup.sh test-tools   Chromium, fonts and servers for the tests; as root only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '%s\n' "setup: $*" >&2; }
die() { say "$*"; exit 1; }
is_root() { [ "$(id -u)" -eq 0 ]; }

# Debian starts a service as soon as it is installed. The tests start their own
# servers on their own ports, so a package must not take port 6379 meanwhile.
# policy-rc.d answering 101 is Debian's way to say so.
apt_install() {
    local policy=/usr/sbin/policy-rc.d log status=0
    log=$(mktemp)
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        # shellcheck disable=SC2064  # the path of now
        trap "rm -f '$policy'" EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get update -qq &&
            apt-get install -y -qq --no-install-recommends "$@"
    } </dev/null >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || tail -n 5 "$log" >&2
    rm -f "$log"
    return "$status"
}

# --- python -----------------------------------------------------------------------

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null && fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    die "Tellers needs Python 3.11 to 3.14, and ${PYTHON:-python3} here is" \
        "$("${PYTHON:-python3}" --version 2>/dev/null || echo missing); install one, or name it: make PYTHON=/path/to/python3.11"
}

# Debian ships Python without the part that makes environments.
need_venv() {
    local python=$1 package
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if is_root && command -v apt-get >/dev/null; then
        say "installing $package"
        apt_install "$package" || true
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python cannot make environments; install the package $package (as root: apt-get install $package) and repeat"
}

# What .venv was made of, and where: a copied or moved .venv still points at its old place.
recipe() {
    pwd
    cat requirements.lock pyproject.toml "${members[@]/%//pyproject.toml}" deploy/local/setup.sh
}

setup_python() {
    local members=() file python stamp=.venv/.made-of made_of
    for file in shared/*/pyproject.toml services/*/pyproject.toml deploy/local/pyproject.toml; do
        members+=("./${file%/pyproject.toml}")
    done
    made_of=$(recipe | sha256sum)
    if [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$made_of" ]; then
        return
    fi

    [ "$(uname -s)" = Linux ] || die "requirements.lock is for Linux; on $(uname -s), work in a Linux container"
    python=$(find_python)
    rm -f "$stamp"
    if ! .venv/bin/python -c "import sys; sys.exit(sys.prefix != '$PWD/.venv')" 2>/dev/null ||
        ! fits .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        need_venv "$python"
        rm -rf .venv
        "$python" -m venv .venv
    fi
    say "installing what requirements.lock names into .venv, about a minute"
    local pip=(.venv/bin/python -m pip -qq --disable-pip-version-check --no-input install)
    "${pip[@]}" --require-hashes --requirement requirements.lock
    # Our own names are never asked of an index: some are taken there, by strangers.
    # uv_build looks for its program on the path.
    PATH="$PWD/.venv/bin:$PATH" "${pip[@]}" --no-index --no-deps --no-build-isolation "${members[@]/#/--editable=}"
    echo "$made_of" >"$stamp"
}

# --- test-tools ---------------------------------------------------------------------

have_any() {
    local name
    for name in "$@"; do
        command -v "$name" >/dev/null && return
    done
    return 1
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# What the tests take from npm; `npm ci` when the lock is another than last time.
setup_npm() {
    local stamp=tests/web/node_modules/.made-of made_of
    made_of=$(sha256sum <tests/web/package-lock.json)
    [ "$(cat $stamp 2>/dev/null)" != "$made_of" ] || return 0
    if ! have_any npm; then
        say "some tests will be skipped; for all of them install npm (as root: apt-get install npm) and repeat"
        return 0
    fi
    say "installing what tests/web/package-lock.json names"
    if (cd tests/web && npm ci --silent --no-audit --no-fund </dev/null); then
        echo "$made_of" >"$stamp"
    else
        say "npm failed; the tests that need its packages are skipped"
    fi
}

setup_test_tools() {
    local wanted=() font
    setup_npm
    have_any redis-server || wanted+=(redis-server)
    have_any nginx || wanted+=(nginx-light)
    have_any promtool || wanted+=(prometheus)
    have_any chromium chromium-browser google-chrome || wanted+=(chromium)
    for font in fonts-noto-core fonts-noto-cjk; do
        ! have_any dpkg-query || installed "$font" || wanted+=("$font")
    done
    [ "${#wanted[@]}" -gt 0 ] || return 0

    if ! is_root || ! have_any apt-get; then
        say "some tests will be skipped; for all of them, as root: apt-get install --no-install-recommends ${wanted[*]}"
        return 0
    fi
    say "installing for the tests: ${wanted[*]}"
    apt_install "${wanted[@]}" || say "apt-get failed; the tests that need these are skipped"
}

case "${1:-}" in
    python) setup_python ;;
    test-tools) setup_test_tools ;;
    *) die "usage: setup.sh python|test-tools" ;;
esac
