#!/usr/bin/env bash
# Runs the tests of one build, a line a program, and the output of those
# that fail. The last line is the count over all of them. As many run at a
# time as there are processors, or JOBS.
#
#   tests/run.sh BUILD_DIR [PATTERN]     PATTERN is looked for in the path
set -uo pipefail
build=$(cd "${1:?usage: tests/run.sh BUILD_DIR [PATTERN]}" && pwd) || exit 1
pattern=${2:-}
cd "$(dirname "$0")/.." || exit 1
limit=600 # seconds a program may take

case $build in
*/san)
	export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
	export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
	export CK_TIMEOUT_MULTIPLIER=5
	;;
esac
export LC_ALL=C.UTF-8

passed=0 failed=0 programs=0
lanes=${JOBS:-$(nproc)}
work=$(mktemp -d)
declare -A names=() began=() outs=() # of what runs now, by process id

# A process group each: what a dead test leaves behind goes too.
stop_all() {
	for pid in "${!names[@]}"; do
		kill -- "-$pid" 2>/dev/null
	done
}
trap 'rm -rf "$work"' EXIT
trap 'stop_all; exit 130' INT TERM HUP

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

# reap: waits for one program to end and says how it went.
reap() {
	local pid rc=0 name p='' f='' note=''
	{ wait -n -p pid "${!names[@]}" || rc=$?; } 2>/dev/null
	kill -KILL -- "-$pid" 2>/dev/null
	name=${names[$pid]}
	read -r p f < <(counts "${outs[$pid]}")
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
			$((SECONDS - began[$pid]))
	else
		printf 'FAIL  %4d  %s: %d failed%s\n' "$p" "$name" "$f" \
			"${note:+ ($note)}"
		sed 's/^/      | /' "${outs[$pid]}"
	fi
	unset "names[$pid]" "began[$pid]" "outs[$pid]"
}

run() { # run NAME COMMAND...: as soon as there is a lane for it
	local name=$1 out
	shift
	[[ $name == *"$pattern"* ]] || return 0
	[ "${#names[@]}" -lt "$lanes" ] || reap
	programs=$((programs + 1)) out=$work/$programs
	setsid timeout --foreground -k 10 "$limit" "$@" >"$out" 2>&1 </dev/null &
	names[$!]=$name began[$!]=$SECONDS outs[$!]=$out
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
while [ "${#names[@]}" -gt 0 ]; do
	reap
done

[ "$programs" -gt 0 ] || echo "no test has '$pattern' in its path"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
