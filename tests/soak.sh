#!/usr/bin/env bash
# What make check tries a sample of, whole: every call of the journal, the tree
# and the packed files failing in many ways, 1,000 kills under 32 writers,
# every system call of the agent failing, other steps past the gate. Each
# program prints its counts.
#
#   tests/soak.sh BUILD_DIR     HOURS (24) is the most that all may take
set -uo pipefail
build=$(cd "${1:?usage: tests/soak.sh BUILD_DIR}" && pwd) || exit 1
cd "$(dirname "$0")/.." || exit 1
export KIRCERTA_SOAK=1 KIRCERTA_EVERY=1 KIRCERTA_KILLS=${KIRCERTA_KILLS:-1000}
export CK_TIMEOUT_MULTIPLIER=1000 KIRCERTA_SEED=${KIRCERTA_SEED:-$RANDOM}
end=$((SECONDS + ${HOURS:-24} * 3600))
failed=0

run() { # run NAME COMMAND...
	local name=$1 left=$((end - SECONDS))
	shift
	if [ "$left" -le 0 ]; then
		echo "not run, the time is over: $name"
		return
	fi
	echo "$name"
	timeout -k 30 "$left" "$@"
	case $? in
	0) ;;
	124) echo "ended, the time is over: $name" ;;
	*) failed=1; echo "FAIL $name" ;;
	esac
}

for program in "$build"/tests/unit/test_*_disk; do
	run "${program#"$build"/}" "$program"
done
for flow in tests/flow/test_record_crash.py tests/flow/test_ssot_crash.py \
	tests/flow/test_gate_model.py tests/flow/test_task_model.py; do
	run "$flow" python3 "$flow" "$build"
done
exit $failed
