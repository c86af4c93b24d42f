#!/usr/bin/env bash
# Fails when schema/ differs from what the contracts generate; compares files, so it needs no git and
# also sees files that nobody has added yet.
set -euo pipefail
cd "$(dirname "$0")/.."

before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
cp -r schema/. "$before"
# What is no longer generated would otherwise stay for ever.
rm -rf schema/cosmwasm schema/evm/*.json schema/*.json
if ! make --no-print-directory schema; then
	cp -r "$before"/. schema
	exit 1
fi
if ! diff -ru "$before" schema; then
	echo "FAIL schema-check: schema/ was out of date; it is generated anew now, look at it and commit it" >&2
	exit 1
fi
echo "ok   schema-check"
