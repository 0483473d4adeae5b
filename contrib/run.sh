#!/usr/bin/env bash
# `make run`: one publish, end to end, on this machine. Starts an agent on a
# home under .run/, the demo Coordinator, and the console on what waits for
# approval. Without a terminal the approval is given through the command line
# and the whole chain is printed.
#
#   contrib/run.sh BUILD_DIR
#
# KIRCERTA_YOUTUBE_CLIENT_FILE  publish to that channel, not to a stand-in
# KIRCERTA_RUN_DIR              instead of .run
# KIRCERTA_PORT                 instead of 8787; 0 is any that is free
#
# Everything that is started here ends with this script, however it ends.
set -euo pipefail
build=$(cd "${1:?usage: contrib/run.sh BUILD_DIR}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${KIRCERTA_RUN_DIR:=.run}"
run=$(cd "$KIRCERTA_RUN_DIR" && pwd)
home=$run/home
umask 077

say() { printf '%s\n' "$*"; }
die() { printf 'run: %s\n' "$@" >&2; exit 1; }

# start LOG COMMAND...: in a process group of its own, which gets SIGTERM even
# if this script is killed outright; sets $started.
groups=()
start() {
	local log=$1
	shift
	setsid setpriv --pdeathsig TERM -- "$@" >>"$log" 2>&1 </dev/null &
	started=$!
	groups+=("$started")
}

alive() { kill -0 "$1" 2>/dev/null; }

# end: the last started first; whoever does not listen to TERM is killed.
end() {
	local i pid tries
	trap '' INT TERM HUP
	for ((i = ${#groups[@]} - 1; i >= 0; i--)); do
		pid=${groups[i]}
		kill -TERM -- "-$pid" 2>/dev/null || continue
		for ((tries = 0; tries < 100; tries++)); do
			alive "-$pid" || break
			sleep 0.1
		done
		kill -KILL -- "-$pid" 2>/dev/null || true
	done
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# awaited SECONDS WHAT COMMAND...: until the command succeeds.
awaited() {
	local until=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ $SECONDS -lt $until ] || die "$what did not come up"
		sleep 0.1
	done
}

# --- What the agent needs: a home, two tokens, a display, a channel ----------

agent() { "$build/kircerta-agent" --home "$home" "$@"; }

new=''
[ -e "$home" ] || new=yes
agent init >"$run/init.log" 2>&1 || die "$(cat "$run/init.log")"

token() { # token NAME: made once for a home
	[ -z "$new" ] && [ -s "$run/$1.token" ] && return
	agent token create --name "$1" --scope tool_runner --scope observer \
		>"$run/$1.token"
}
token coordinator
token codex

works() { timeout 5 xwd -root -silent -display "$1" -out /dev/null 2>/dev/null; }

display() {
	if [ -n "${DISPLAY:-}" ] && works "$DISPLAY"; then
		say "display   $DISPLAY, yours: three seconds of it are recorded"
		return
	fi
	: >"$run/display"
	start "$run/xvfb.log" bash -c 'exec 3>"$1"
		exec Xvfb -displayfd 3 -screen 0 1280x720x24 -nolisten tcp' \
		- "$run/display"
	awaited 20 "Xvfb (see $run/xvfb.log)" grep -q . "$run/display"
	DISPLAY=:$(tr -d '[:space:]' <"$run/display")
	export DISPLAY
	unset XAUTHORITY
	start "$run/xvfb.log" xclock -update 1 -geometry 600x600+340+60
	say "display   $DISPLAY, made here: Xvfb with a clock"
}
display

setting() { git config -f "$home/agent.conf" "$@"; }

channel() {
	local client=${KIRCERTA_YOUTUBE_CLIENT_FILE:-}
	if [ -n "$client" ]; then
		[ -r "$client" ] || die "cannot read $client"
		setting youtube.client-file "$(realpath "$client")"
		setting --unset-all youtube.base-url || true
		setting --unset-all youtube.token-url || true
		say "channel   YouTube, with the credentials in $client"
		return
	fi
	local secret port
	secret=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
	: >"$run/channel.log"
	start "$run/channel.log" "$here/coordinator/youtube-standin" \
		--port 0 --dir "$run/channel" --refresh-token "$secret"
	awaited 20 "the channel (see $run/channel.log)" \
		grep -qE '[0-9]+' "$run/channel.log"
	port=$(grep -oE -m 1 '[0-9]+' "$run/channel.log" | head -n 1)
	printf '{"client_id": "demo", "client_secret": "demo", %s}\n' \
		"\"refresh_token\": \"$secret\"" >"$run/youtube.json"
	setting youtube.client-file "$run/youtube.json"
	setting youtube.base-url "http://127.0.0.1:$port"
	setting youtube.token-url "http://127.0.0.1:$port/token"
	say "channel   NOT YouTube: a local stand-in that speaks its protocol," \
		"uploads land in ${run#"$PWD/"}/channel"
}
channel

# --- The agent ------------------------------------------------------------------

port=${KIRCERTA_PORT:-8787}
if [ "$port" != 0 ] && (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
	say "port      $port is taken by another program; using a free one"
	port=0
fi
: >"$run/agent.log"
start "$run/agent.log" "$build/kircerta-agent" --home "$home" run \
	--listen "127.0.0.1:$port"
agent_pid=$started
listening() {
	alive "$agent_pid" || die "the agent ended:" "$(tail -n 5 "$run/agent.log")"
	KIRCERTA_AGENT=$(grep -oE -m 1 'http://127\.0\.0\.1:[0-9]+' \
		"$run/agent.log")
}
awaited 20 "the agent (see $run/agent.log)" listening
healthy() { curl -sf -o /dev/null "$KIRCERTA_AGENT/api/health"; }
awaited 20 "the agent's health" healthy
export KIRCERTA_AGENT KIRCERTA_TOKEN_FILE=$home/admin.token
say "agent     $KIRCERTA_AGENT, home ${home#"$PWD/"}"

# --- The Coordinator --------------------------------------------------------------

chain=demo-$(date -u +%Y%m%dT%H%M%SZ)-$$
: >"$run/coordinator.log"
start "$run/coordinator.log" env KIRCERTA_URL="$KIRCERTA_AGENT" \
	KIRCERTA_CORRELATION_ID="$chain" \
	KIRCERTA_COORDINATOR_TOKEN_FILE="$run/coordinator.token" \
	KIRCERTA_EXECUTOR_TOKEN_FILE="$run/codex.token" \
	"$here/coordinator/demo"
coordinator=$started
say "demo      chain $chain, log ${run#"$PWD/"}/coordinator.log"
say "          it records the screen and asks to publish that"

# The pending approval of this chain; '' if the demo ended without one.
pending() {
	sleep 0.3 # each look is a request, and every request is a record
	approval=$("$build/kircerta" audit --chain "$chain" --json 2>/dev/null |
		jq -r 'first(.approvals[] | select(.state == "pending")) | .id' \
		2>/dev/null)
	[ -n "$approval" ] || ! alive "$coordinator"
}
awaited 120 "an approval (see $run/coordinator.log)" pending

# demo_ended: its words, and its exit status.
demo_ended() {
	local code=0
	wait "$coordinator" || code=$?
	cat "$run/coordinator.log"
	return "$code"
}

# settle: whoever leaves the console without deciding has not approved; what
# was approved goes on after the seconds in which it can be taken back.
settle() {
	local told=''
	while alive "$coordinator"; do
		if pending && [ -n "$approval" ]; then
			"$build/kircerta" reject "$approval" \
				--reason "left undecided: make run ended" || true
		elif [ -z "$told" ]; then
			told=yes
			say "demo      goes on to its end; Ctrl-C stops it"
		fi
		sleep 0.7
	done
}

if [ -z "$approval" ]; then
	demo_ended
elif [ -t 0 ] && [ -t 1 ]; then
	"$build/kircerta" --open approvals
	settle
	demo_ended || [ $? -eq 3 ] # 3: rejected, which is an answer too
else
	digest=$("$build/kircerta" show "$approval" --json |
		jq -r .request_sha256)
	say "approve   $approval, digest $digest"
	"$build/kircerta" approve "$approval" --digest "$digest" \
		--reason "make run, unattended" --allow-external-publish
	demo_ended
fi
end # the agent signs its journal when it stops
agent audit verify
