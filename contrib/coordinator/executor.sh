#!/usr/bin/env bash
# The executor in bash, with curl and jq: the same options, the same worker as
# executor.py, whose --help tells what a worker reads and prints.
#
#   executor.sh --worker COMMAND [--token-file FILE] [--url URL] [--name NAME]
#               [--lease SECONDS] [--take-over] [--once]
#
#   --worker COMMAND    does the work; for the shell
#   --token-file FILE   the token, alone in a file ($KIRCERTA_TOKEN_FILE)
#   --url URL           the agent ($KIRCERTA_URL, http://127.0.0.1:8787)
#   --name NAME         take also what is assigned to this name
#   --lease SECONDS     so long a task is ours without a heartbeat (60)
#   --take-over         take also what another executor let stall
#   --once              end when nothing waits
#
# Exit: 0 told to stop, or nothing waits; 1 refused for good; 2 usage.
set -euo pipefail

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d'; }
wrong() { printf '%s\n' "$*" >&2; usage >&2; exit 2; }
url=${KIRCERTA_URL:-http://127.0.0.1:8787} name='' worker=''
token=${KIRCERTA_TOKEN_FILE:-} lease=60 over='' once=''
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage; exit ;;
	--take-over) over=yes; shift; continue ;;
	--once) once=yes; shift; continue ;;
	esac
	[ $# -gt 1 ] || wrong "$1: unknown, or nothing after it"
	case $1 in
	--worker) worker=$2 ;;
	--token-file) token=$2 ;;
	--url) url=${2%/} ;;
	--name) name=$2 ;;
	--lease) lease=$2 ;;
	*) wrong "$1: unknown" ;;
	esac
	shift 2
done
[ -n "$worker" ] || wrong "--worker is missing"
[ -n "$token" ] || wrong "--token-file or KIRCERTA_TOKEN_FILE is missing"
[ -r "$token" ] || wrong "--token-file $token cannot be read"
[[ $lease =~ ^[1-9][0-9]{0,4}$ && $lease -ge 3 ]] || wrong "--lease: 3 to 86400"

tmp=$(mktemp -d)
task='' attempt='' chain='' # of the task that is ours
pid='' ending=''            # the worker's process; whether we are to stop
say() { printf '%(%T)T %s\n' -1 "$*" >&2; }
get() { jq -r "$1 // empty" <<<"$body" 2>/dev/null || true; }

# In the background and waited for, so that a signal does not wait for it.
quietly() { "$@" & wait $!; }

# Who stops before the end says so by a last, short lease.
stop() {
	trap '' TERM INT
	ending=yes
	end_worker
	[ -z "$task" ] || post heartbeat '{"lease_s": 1,
		"message": "the executor was stopped"}' || true
	say stopped
	exit 0
}
trap stop TERM INT
trap 'rm -rf "$tmp"' EXIT

# call METHOD PATH [BODY]: asks until there is an answer; sets $status and
# $body, fails where it is a no. The Idempotency-Key is the same for each try:
# an answer that got lost never makes the thing happen twice.
call() {
	local after n=0 pause pauses=(0.2 0.5 1 2 5 10) options=(-sS --connect-timeout 5 --max-time 90
		-X "$1" -H "@$tmp/headers" -D "$tmp/head" -o "$tmp/body"
		-w '%{http_code}')
	(umask 077 && printf 'Authorization: Bearer %s\n%s\n' \
		"$(tr -d '[:space:]' <"$token")" \
		"${chain:+X-Correlation-Id: $chain}" >"$tmp/headers")
	if [ "$1" != GET ]; then
		printf '%s' "${3:-}" >"$tmp/data"
		options+=(-H "Content-Type: application/json"
			-H "Idempotency-Key: $(</proc/sys/kernel/random/uuid)"
			--data-binary "@$tmp/data")
	fi
	while :; do
		: >"$tmp/head"
		if quietly curl "${options[@]}" "$url$2" \
			>"$tmp/status" 2>"$tmp/why"; then
			status=$(<"$tmp/status") body=$(<"$tmp/body")
			[ "$status" -ge 400 ] || return 0
			case $status in
			408 | 429 | 502 | 503 | 504) ;;
			*) [ "$status" -ge 500 ] &&
				[ "$(get .retryable)" = true ] || return 1 ;;
			esac
		else
			status=0 body=$(jq -nc --arg d "$(<"$tmp/why")" \
				'{error_code: "no_answer", detail: $d}')
		fi
		refused "$1 $2"
		[ -z "$ending" ] || return 1
		after=$(sed -n 's/^retry-after: *\([0-9]\{1,4\}\).*/\1/Ip' \
			"$tmp/head")
		pause=${pauses[n]} n=$((n < 5 ? n + 1 : n))
		[ "${after:-0}" -le "${pause%.*}" ] || pause=$after
		quietly sleep "$pause"
	done
}

# Every refusal says what happened and what to do; show both.
refused() {
	say "$1 -> $status $(get .error_code) $(get .reason)"
	get '.detail | strings | "  detail: \(.)"' >&2
	get '.remediation_hint | strings | "  hint: \(.)"' >&2
}

# post STEP BODY: a step of our attempt.
post() {
	call POST "/api/tasks/$task/$1" \
		"$(jq -c --argjson n "$attempt" '{attempt: $n} + .' <<<"$2")"
}

# The newest record's number: asked for before one looks at things.
newest() {
	call GET /api/health || { refused "the agent's health"; exit 1; }
	get .seq
}

# Waits for the first record after number $1 of these types, at most a minute.
# The stream begins with what was missed meanwhile.
happens() {
	local line stream
	exec {stream}< <(exec curl -sN --max-time 60 -H "@$tmp/headers" \
		"$url/api/events?after_seq=$1&types=$2")
	pid=$!
	while IFS= read -r -u "$stream" line; do
		[[ $line != "data: {}" && $line == "data: "* ]] && break
	done
	end_worker
	exec {stream}<&-
	quietly sleep 0.2
}

# Ends what is in the process group of $pid, if it has one.
end_worker() {
	local n
	[ -n "$pid" ] || return 0
	kill -- "-$pid" 2>/dev/null || kill "$pid" 2>/dev/null || true
	for ((n = 0; n < 50; n++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-$pid" 2>/dev/null || true
	pid=''
}

# work: what the worker says at its end, or why there is nothing, in $result.
# Between its lines the lease is kept; fails when it is lost.
work() {
	local line part='' out next progress='{}' code=1
	result=''
	export KIRCERTA_URL=$url KIRCERTA_CORRELATION_ID=$chain
	KIRCERTA_TOKEN_FILE=$(realpath "$token") && export KIRCERTA_TOKEN_FILE
	exec {out}< <(exec setsid bash -c 'bash -c "$1" <"$2"
		printf "\n{\"exit\": %d}\n" $?' - "$worker" "$tmp/task")
	pid=$! next=$((SECONDS + lease / 3))
	while :; do
		if IFS= read -r -t 1 -u "$out" line; then
			line=$part$line part=''
			[ -z "$line" ] || heard || break
		elif [ $? -gt 128 ]; then
			part+=$line	# not all of it was there yet
		else
			break
		fi
		[ $SECONDS -ge $next ] || continue
		beat "$progress" || { end_worker; return 1; }
		next=$((SECONDS + lease / 3))
	done
	end_worker
	exec {out}<&-
	[ "$code" = 0 ] && [ -n "$result" ] ||
		failed "the worker ended with $code: ${line:0:200}"
}

# One line of the worker's, for work.
heard() {
	local body=$line
	jq -e 'type == "object"' <<<"$line" >/dev/null 2>&1 || return 1
	code=$(get .exit | grep . || echo "$code")
	result=$(jq -c '.result // empty' <<<"$line" | grep . || echo "$result")
	progress=$(jq -c --argjson was "$progress" 'with_entries(select(
		.key == "progress" or .key == "message")) |
		if . == {} then $was else . end' <<<"$line")
}

beat() {
	post heartbeat "$(jq -c --argjson s "$lease" '. + {lease_s: $s}' \
		<<<"$1")" && return
	refused "heartbeat of $task"
	progress='{}'
	[ "$status" != 404 ] && [ "$status" != 409 ]
}

failed() {
	say "$1"
	result=$(jq -c --arg why "$1" '{summary: "Not done: \($why)",
		work_log: [], criteria: [.acceptance_criteria[] |
			{criterion_ref: .id, met: false}]}' "$tmp/task")
}

# Until it is taken. What the agent refuses for its words is told as a
# failure: an attempt without a result would be a dead end.
report() {
	local was='' at
	at=$(newest) || exit 1
	until post result "$result"; do
		refused "result of $task"
		if [ "$(get .reason)" = mode_stopped ]; then
			happens "$at" mode_changed
		elif [ "$(get .from)" = stalled ]; then
			post heartbeat "{\"lease_s\": $lease}" || return 1
		elif [[ $status =~ ^4(00|13|22)$ ]] && [ -z "$was" ]; then
			was=yes
			failed "$(get .error_code): $(get .detail)"
		else
			return 1
		fi
		at=$(newest) || exit 1
	done
}

# The task in $body is ours: do it.
run() {
	printf '%s\n' "$body" >"$tmp/task"
	say "$task: attempt $attempt"
	if work && report; then
		say "$task: reported: $(jq -r .summary <<<"$result")"
	else
		say "$task: somebody else's by now"
	fi
	task='' chain=''
}

# ours TASK: names it as the one that steps are about.
ours() {
	task=$(jq -r .id <<<"$1") attempt=$(jq -r .attempt <<<"$1")
	chain=$(jq -r .correlation_id <<<"$1")
}

# take TASK: acknowledges it by echoing its criteria; fails if it is not ours.
take() {
	local echo
	echo=$(jq -c --argjson s "$lease" '{lease_s: $s,
		echoed_acceptance_criteria: .acceptance_criteria}' <<<"$1")
	ours "$1"
	post ack "$echo" && return
	if [ -n "$over" ] && [ -n "$(get .next_attempt)" ]; then
		attempt=$(get .next_attempt)
		post ack "$echo" && return
	fi
	refused "ack of $task"
	task='' chain=''
	[[ $status =~ ^4(04|09|22)$ ]] || [ "$(get .reason)" = mode_stopped ] ||
		exit 1
	return 1
}

# tasks STATES FILTER: those of these states, a line each, page after page.
tasks() {
	local cursor=''
	while call GET "/api/tasks?state=$1${cursor:+&cursor=$cursor}" ||
		{ refused "the list of tasks"; exit 1; }; do
		jq -c --arg name "$name" ".items[] | $2" <<<"$body"
		cursor=$(get ".next_cursor | strings | @uri")
		[ -n "$cursor" ] || break
	done
}

# What a life before left: the agent knows whose lease it is.
tasks running . >"$tmp/left"
while IFS= read -r -u 3 body; do
	ours "$body"
	keep=$body
	post heartbeat "{\"lease_s\": $lease}" || { task=''; continue; }
	body=$keep
	run
done 3<"$tmp/left"

look=task_created,task_updated,task_state,task_stalled,task_redispatched
while :; do
	at=$(newest) taken=''
	tasks pending,stalled 'select(.assignee == null or .assignee == $name)' \
		>"$tmp/waiting"
	while IFS= read -r -u 3 each; do
		if take "$each"; then
			run
			taken=yes
			break # what else waits may have changed meanwhile
		fi
	done 3<"$tmp/waiting"
	[ -z "$taken" ] || continue
	[ -z "$once" ] || exit 0
	happens "$at" "$look,mode_changed"
done
