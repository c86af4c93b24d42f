#!/usr/bin/env bash
# Names every tool of the machine that is missing, each with the way to get it, and fails if one is.
set -euo pipefail

missing=0
need() { # need <command> <how to get it>
	command -v "$1" >/dev/null || { echo "missing: $1. $2" >&2; missing=1; }
}
at_least() { # at_least <name> <wanted> <found> <how to get it>
	[ -z "$3" ] || [ "$(printf '%s\n' "$2" "$3" | sort -V | head -1)" = "$2" ] ||
		{ echo "too old: $1 $3, $2 or newer is needed. $4" >&2; missing=1; }
}

platform=$(uname -sm)
[ "$platform" = "Linux x86_64" ] ||
	{ echo "this is $platform: the node binaries of the lock files are for Linux on amd64. Use such a machine or VM" >&2; missing=1; }
go_how="Go 1.25 or newer from https://go.dev/dl"
node_how="Node.js 20 or newer from https://nodejs.org"
need rustup "From https://rustup.rs"
need cargo "It comes with rustup: https://rustup.rs"
need go "$go_how"
need node "$node_how"
need npm "It comes with Node.js. $node_how"
need cc "A C compiler. Debian: apt install build-essential"
need sha256sum "Debian: apt install coreutils"
at_least node 20 "$(node --version 2>/dev/null | tr -d v)" "$node_how"
at_least go 1.25 "$(go env GOVERSION 2>/dev/null | sed 's/^go//')" "$go_how"
exit $missing
