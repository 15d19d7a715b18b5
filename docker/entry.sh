#!/bin/sh
# Runs one of the project's commands by its name; a ledger without a community begins one first.
set -eu
PATH="/app/node_modules/.bin:$PATH"

if [ "${1:-}" = "commonwatt" ] && [ "${2:-}" = "serve" ] && [ ! -e /data/ledger.db ]; then
  commonwatt init --data /data --community "${COMMUNITY:-sunny-street}" --host "${LEDGER_HOST:-ledger.example}"
fi
exec "$@"
