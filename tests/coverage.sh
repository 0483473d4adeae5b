#!/usr/bin/env bash
# Branch coverage of what the record rests on: the appender and its repair,
# the Merkle tree, notes and checkpoints. Every branch has to have been taken
# by a unit test; those that were not are listed. Of what only checks and
# compresses (verify, walk, compress, zst) they are counted, marked with a *,
# and not demanded.
#
#   tests/coverage.sh BUILD_DIR     of a build with COV=1
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=${1:?usage: tests/coverage.sh BUILD_DIR}
sources=(agent/store/{journal,merkle,tree,note,checkpoint}*.c)
shown=" journal_verify journal_walk journal_compress journal_zst "
programs=("$build"/tests/unit/test_{journal,merkle,tree,note}*)

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
	name=$(basename "$source" .c)
	demand=1
	[[ $shown == *" $name "* ]] && demand=0
	if ! [ -f "$object.gcda" ]; then
		printf '%-34s %31s\n' "$source" "never run"
		failed=1
		continue
	fi
	gcov -t -b -c -o "$object.o" "$source" 2>/dev/null |
		awk -v source="$source" -v demand=$demand '
		/^ *-: *0:Source:/ { ours = $0 ~ ":" source "$" }
		!ours { next }
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
			printf "%-34s %15s %15s\n%s",
				source (demand ? "" : " *"),
				run + 0 " of " lines, taken + 0 " of " branches,
				demand ? missed : ""
			if (!demand)
				exit 0
			exit !lines || taken < branches || run < lines
		}' || failed=1
done
[ "$failed" = 0 ] && echo "every branch was taken, but for those of *"
exit $failed
