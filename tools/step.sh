#!/usr/bin/env bash
# Runs one step of a build so that a person sees it move, and reads its output only when it fails.
#   tools/step.sh NAME COMMAND...          hides the output; shows the end of it on failure
#   tools/step.sh --show NAME COMMAND...   lets the output through (tests)
# On a terminal one live line names every step that runs now, with its seconds, also those that make
# started in parallel. Elsewhere there is a plain line at the start, and one every half minute.
set -uo pipefail

show=
[ "$1" = --show ] && { show=1; shift; }
name=$1
shift

running=${AES_CACHE:-$HOME/.cache/aes}/steps
mkdir -p "$running"
mine=$running/$$
log=$(mktemp)
started=$SECONDS
tty=
[ -t 1 ] && tty=1

paint() {
	local began=$SECONDS line state said=0
	# Waiting on a background sleep lets a kill end the painter at once.
	while sleep 0.5 & wait $!; do
		if [ -n "$tty" ]; then
			[ $((SECONDS - began)) -ge 2 ] || continue
			line=
			for state in "$running"/*; do
				[ -e "$state" ] && kill -0 "${state##*/}" 2>/dev/null || continue
				read -r since what <"$state" || continue
				line+="${line:+ · }$what $(($(date +%s) - since)) s"
			done
			printf '\r\033[K%s' "${line:0:$(($(tput cols 2>/dev/null || echo 80) - 1))}"
		elif [ $((SECONDS - began)) -ge $((said == 0 ? 2 : said + 30)) ]; then
			said=$((SECONDS - began))
			echo "... $name ($said s)"
		fi
	done
}

finish() {
	rm -f "$mine" "$log"
	[ -n "${painter-}" ] && kill "$painter" 2>/dev/null
}
trap finish EXIT
trap 'exit 130' INT TERM

echo "$(date +%s) $name" >"$mine"
if [ -n "$show" ]; then
	echo "--- $name"
	"$@"
	code=$?
else
	paint &
	painter=$!
	"$@" >"$log" 2>&1 </dev/null
	code=$?
	kill "$painter" 2>/dev/null
	wait "$painter" 2>/dev/null
fi

took="$((SECONDS - started)) s"
[ -n "$tty" ] && printf '\r\033[K'
if [ $code -eq 0 ]; then
	echo "ok   $name ($took)"
else
	[ -z "$show" ] && tail -n 60 "$log"
	echo "FAIL $name ($took, exit $code): $*"
fi
exit $code
