#!/usr/bin/env bash
# Fails when INVARIANTS.md or docs/threat-model.md names a file, function, test or guard that is not there, or when a
# promise has lost its row, or a line its test: the pages promise a reader that each line is still shown by something.
set -euo pipefail
cd "$(dirname "$0")/.."

pages=(INVARIANTS.md docs/threat-model.md)
guards=tests/model/src/guard.rs
bad=0
fail() {
	echo "invariants: $1" >&2
	bad=1
}

declare -A crates
while IFS=: read -r manifest line; do
	name=${line#*\"}
	crates[${name%%\"*}]=${manifest%/Cargo.toml}
done < <(git ls-files -co --exclude-standard '*Cargo.toml' | xargs grep -H '^name = "aes-')

# A Rust test that runs: #[test] or #[tokio::test] right above it, and not #[ignore].
is_test() {
	awk -v name="$1" '
		/^[ \t]*#\[/ { above = above $0; next }
		/^[ \t]*\/\// { next }
		$0 ~ "fn " name "\\(" && above ~ /#\[(tokio::)?test/ && above !~ /#\[ignore/ { found = 1 }
		{ above = "" }
		END { exit !found }
	' "${@:2}"
}

rust_test() {
	local crate=${1%%::*} rest=${1#*::} module test files
	test=${rest##*::}
	module=
	[ "$rest" != "$test" ] && module=${rest%::*}
	[ -n "${crates[$crate]-}" ] || { fail "$1: no crate $crate"; return; }
	mapfile -t files < <(find "${crates[$crate]}" -path '*/target' -prune -o -name "${module:-*}.rs" -print)
	[ ${#files[@]} -gt 0 ] || { fail "$1: no module $module in ${crates[$crate]}"; return; }
	is_test "$test" "${files[@]}" || fail "$1: no such test in ${files[*]}"
}

forge_test() {
	local contract=${1%%.*} test=${1#*.} file
	file=$(grep -l "^contract $contract " contracts/evm/test/*.t.sol) || { fail "forge::$1: no contract $contract"; return; }
	grep -q "function $test(" "$file" || fail "forge::$1: not in $file"
}

function_in() {
	local file=${1%%:*} name=${1##*:} calls
	[ -f "$file" ] || { fail "$1: no such file"; return; }
	grep -Eq "(fn|function) $name[(<]" "$file" || { fail "$1: no such function"; return; }
	if [[ $file == tests/e2e/* ]]; then
		# a step that nothing calls shows nothing
		calls=$(grep -rhow "$name" "$(dirname "$file")" | wc -l)
		[ "$calls" -ge 2 ] || fail "$1: the step is never run"
	fi
}

names=0
while read -r name; do
	case $name in
	# how names are written, on the page itself
	forge::Contract.test | model::Guard | crate::module::test | path:function) continue ;;
	aes-*::*) rust_test "$name" ;;
	forge::*.*) forge_test "${name#forge::}" ;;
	model::*) grep -q "case(${name#model::}," "$guards" || fail "$name: no such guard in $guards" ;;
	*/*.rs:* | */*.sol:*) function_in "$name" ;;
	*/*.rs | */*.sol | */*.sh) [ -f "$name" ] || fail "$name: no such file" ;;
	*) continue ;;
	esac
	names=$((names + 1))
done < <(grep -oh '`[^`]*`' "${pages[@]}" | tr -d '`' | sort -u)

# The other way round: each guard of the model and each promise is on the page.
while read -r guard; do
	grep -q "\`model::$guard\`" "${pages[@]}" || fail "model::$guard is on neither page"
done < <(grep -o 'case([A-Za-z]*,' "$guards" | sed 's/case(//; s/,//')
for promise in P1 P2 P3 P4 P5 P6 P7 P8; do
	rows=$(awk -v h="## $promise " 'index($0, "## ") == 1 { on = index($0, h) == 1 } on && /^\|.*`.*::/' INVARIANTS.md | wc -l)
	[ "$rows" -gt 0 ] || fail "$promise has no row with a test"
done

# Each line of a table has a test, and is under the table's head: above it, it would not be shown as one.
while read -r line; do
	fail "$line"
done < <(awk '
	{ row = /^\|/; first = row && !was; was = row; line = FILENAME ":" FNR ": " substr($0, 1, 60) }
	first { getline; if ($0 !~ /^\|-/) print line "…: a table begins without its head"; next }
	row && !/`(aes-[a-z]+::|forge::|model::|[^` ]+\.(rs|sol):)/ { print line "…: no test" }
' "${pages[@]}")

[ "$bad" = 0 ] || exit 1
echo "$names names, all there"
