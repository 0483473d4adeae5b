#!/usr/bin/env bash
# Branch coverage of what the record rests on: the appender and its repair,
# the Merkle tree, notes and checkpoints. Every branch has to have been taken
# by a unit test; those that were not are listed.
#
#   tests/coverage.sh BUILD_DIR     of a build with COV=1
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=${1:?usage: tests/coverage.sh BUILD_DIR}
sources=(agent/store/{journal,merkle,tree,note,checkpoint}*.c)
programs=("$build"/tests/unit/test_{journal,merkle,tree,note,checkpoint}*)

export KIRCERTA_EVERY=1 CK_TIMEOUT_MULTIPLIER=20
find "$build" -name '*.gcda' -delete
for program in "${programs[@]}"; do
	case $program in *.[od] | *.gc*) continue ;; esac
	"$program" >"$build/coverage.log" 2>&1 && continue
	echo "$program fails:"
	cat "$build/coverage.log"
	exit 1
done

failed=0
printf '%-34s %15s %15s\n' file lines branches
for source in "${sources[@]}"; do
	[ -f "$source" ] || continue
	object=$build/${source%.c}
	if ! [ -f "$object.gcda" ]; then
		printf '%-34s %31s\n' "$source" "never run"
		failed=1
		continue
	fi
	gcov -t -b -c -o "$object.o" "$source" 2>/dev/null |
		awk -v source="$source" '
		/^branch / { branches++ }
		/^branch .*taken [1-9]/ { taken++ }
		/^branch .*(taken 0|never executed)/ && line != told {
			told = line
			missed = missed sprintf("  %s:%d:%s\n", source, line,
				text)
		}
		/^ *[-#=0-9*]+: *[1-9]/ {
			split($0, f, ":"); line = f[2] + 0
			text = $0; sub(/^[^:]*:[^:]*:/, "", text)
			lines += f[1] !~ /-/; run += f[1] ~ /[0-9]/
		}
		END {
			printf "%-34s %15s %15s\n%s", source,
				run + 0 " of " lines, taken + 0 " of " branches,
				missed
			exit !lines || taken < branches || run < lines
		}' || failed=1
done
[ "$failed" = 0 ] && echo "every branch was taken"
exit $failed
