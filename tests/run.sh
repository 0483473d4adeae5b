#!/usr/bin/env bash
# Runs the tests of one build, a line a program, and the output of those
# that fail. The last line is the count over all of them.
#
#   tests/run.sh BUILD_DIR [PATTERN]     PATTERN is looked for in the path
set -uo pipefail
build=$(cd "${1:?usage: tests/run.sh BUILD_DIR [PATTERN]}" && pwd) || exit 1
pattern=${2:-}
cd "$(dirname "$0")/.." || exit 1
limit=300 # seconds a program may take

case $build in
*/san)
	export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
	export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
	export CK_TIMEOUT_MULTIPLIER=5
	;;
esac
export LC_ALL=C.UTF-8

passed=0 failed=0 programs=0
out=$(mktemp) pid=''
trap 'rm -f "$out"' EXIT
trap '[ -z "$pid" ] || kill -- "-$pid" 2>/dev/null; exit 130' INT TERM HUP

# counts FILE: "passed failed", from Check's line or from a flow's own.
counts() {
	awk '
	/Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
		gsub(/[^0-9 ]/, ""); n = split($0, v, " "); seen = 1
		bad = v[n - 1] + v[n]; good = v[n - 2] - bad
		p += good; f += bad
	}
	/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3; seen = 1 }
	END { if (seen) print p, f }' "$1"
}

run() { # run NAME COMMAND...
	local name=$1 p='' f='' rc=0 note='' began
	shift
	[[ $name == *"$pattern"* ]] || return 0
	programs=$((programs + 1)) began=$SECONDS
	# A process group of its own: what a dead test leaves behind goes too.
	setsid timeout --foreground -k 10 "$limit" "$@" >"$out" 2>&1 </dev/null &
	pid=$!
	{ wait "$pid" || rc=$?; } 2>/dev/null
	kill -KILL -- "-$pid" 2>/dev/null
	pid=''
	read -r p f < <(counts "$out")
	if [ -z "$p" ]; then
		p=0 f=1 note="no count"
	elif [ "$rc" != 0 ] && [ "$f" = 0 ]; then
		f=1
	fi
	[ "$rc" != 124 ] && [ "$rc" != 137 ] || note="over $limit s or killed"
	[ "$rc" = 0 ] || note="exit $rc${note:+, $note}"
	passed=$((passed + p)) failed=$((failed + f))
	if [ "$f" = 0 ]; then
		printf 'ok    %4d  %s  %d s\n' "$p" "$name" \
			$((SECONDS - began))
	else
		printf 'FAIL  %4d  %s: %d failed%s\n' "$p" "$name" "$f" \
			"${note:+ ($note)}"
		sed 's/^/      | /' "$out"
	fi
}

shopt -s nullglob
for dir in unit screens; do
	for source in tests/$dir/test_*.c; do
		run "${source%.c}" "$build/${source%.c}"
	done
done
for flow in tests/flow/test_*.py; do
	run "$flow" python3 "$flow" "$build"
done
run tests/layers.sh tests/layers.sh

[ "$programs" -gt 0 ] || echo "no test has '$pattern' in its path"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
