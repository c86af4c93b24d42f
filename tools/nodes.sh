#!/usr/bin/env bash
# Puts the real node binaries into the cache, where the devnet and the tests look for them
# (relayer/devnet/src/binary.rs). Needs `npm ci` in contracts/evm, whose lock file pins anvil.
#   tools/nodes.sh wasmd | anvil | btcd | geth
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${AES_CACHE:-$HOME/.cache/aes}
mkdir -p "$cache/bin"

link() { # link <name> <binary>: by a rename, since a node may be starting right now
	[ "$(readlink "$cache/bin/$1")" = "$2" ] && return
	ln -sfn "$2" "$cache/bin/.$1-$$"
	mv -T "$cache/bin/.$1-$$" "$cache/bin/$1"
}

case $1 in
wasmd)
	binary=$(tools/wasmd/build.sh) # by itself: the shell overlooks a failure within an argument
	link wasmd "$binary"
	;;
btcd)
	binary=$(tools/btcd/build.sh)
	link btcd "$binary"
	;;
geth)
	binary=$(tools/geth/build.sh)
	link geth "$binary"
	;;
anvil)
	# A copy: the checkout it comes from may be deleted while another one uses the cache.
	package=contracts/evm/node_modules/@foundry-rs/anvil-linux-amd64
	version=$(node -p "require('./$package/package.json').version")
	out=$cache/anvil-$version
	if [ ! -x "$out/anvil" ]; then
		mkdir -p "$out"
		cp "$package/bin/anvil" "$out/.anvil-$$"
		mv "$out/.anvil-$$" "$out/anvil"
	fi
	link anvil "$out/anvil"
	;;
*)
	echo "usage: $0 wasmd|anvil|btcd|geth" >&2
	exit 2
	;;
esac
