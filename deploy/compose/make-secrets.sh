#!/usr/bin/env bash
# Makes every secret that docker-compose.yml mounts, once:
#
#   deploy/compose/make-secrets.sh [DIRECTORY]       (default: ./secrets)
#
# A container's user can read the one file it was given, whatever user the host has for
# it, so the files may be read by all; that nobody else on the host gets to them is the
# folder's doing (0700). What is there is left alone: a new signing key or database
# password in an old system's place would be a loss, not a rotation.
set -euo pipefail
umask 077
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
directory=${1:-secrets}
mkdir -p "$directory"
chmod 700 "$directory"

# Runs the rest with the secret's name as $1's place, unless it is there.
once() {
    local file="$directory/$1"
    shift
    [ -e "$file" ] && return
    "$@" >"$file.new"
    mv "$file.new" "$file"
}

once postgres.password openssl rand -hex 24
once grafana.password openssl rand -hex 24
once webhooks-key openssl rand -hex 32
once signing-key.pem openssl genpkey -algorithm ed25519
[ -e "$directory/users.acl" ] || "$here/../redis/make-users.sh" "$directory"
chmod 444 "$directory"/*
echo "secrets are in $directory: keep a copy of signing-key.pem and webhooks-key elsewhere"
