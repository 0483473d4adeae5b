#!/bin/sh
# Is this what the journal has? Needs sha256sum, openssl 3 and jq, and asks nobody.
# sh verify.sh [--key VKEY|FILE]   the journal's key, as you know it from elsewhere
[ "${1---key}" = --key ] || { echo "usage: sh verify.sh [--key VKEY|FILE]"; exit 2; }
key=${2-}; [ ! -f "$key" ] || key=$(cat -- "$key") || exit 2
set -u; export LC_ALL=C; cd -- "$(dirname -- "$0")" && t=$(mktemp -d) && trap 'rm -rf "$t"' EXIT || exit 2
wrong() { echo "WRONG: $*"; exit 1; }; none() { [ -z "$2" ] || wrong "$2: $1"; }
signed() { # the text of the note $1 into $t/text, if the key has signed it
	jq -jRs 'split("\n\n")[:-1] | join("\n\n") + "\n"' "$1" >"$t/text"
	jq -rRs --arg name "$name" '[split("\n\n")[-1] | split("\n")[] | split(" ")
		| select(.[:2] == ["\u2014", $name])[2]][0]' "$1" | base64 -d >"$t/raw" 2>"$t/said" &&
		[ "$(head -c 4 "$t/raw" | od -An -tx1 | tr -d ' \n')" = "$id" ] && tail -c 64 "$t/raw" >"$t/sig" &&
		openssl pkeyutl -verify -pubin -keyform DER -inkey "$t/key" -rawin -in "$t/text" -sigfile "$t/sig" \
			>"$t/said" 2>&1 || wrong "$1: the key in journal.vkey has not signed it"
}
pinned=$#; vkey=$(cat journal.vkey) && name=${vkey%%+*} && id=${vkey#*+} && raw=${id#*+} && id=${id%%+*} || exit 2
[ $pinned -eq 0 ] || [ "$key" = "$vkey" ] || wrong "journal.vkey: it is not the key given with --key"
{ printf '0*0\005\006\003+ep\003!\000'; printf %s "$raw" | base64 -d | tail -c 32; } >"$t/key"
signed manifest.note; sum=$(sha256sum <manifest.json | head -c 64)
[ "$(cat "$t/text")" = "$(printf '%s/evidence\n%s' "$name" "$sum")" ] || wrong "manifest.json: it was not signed"
jq -r '.files[] | "\(.sha256)  \(.path)"' manifest.json | sha256sum -c --quiet || wrong "files: see above"
none "the manifest does not know it" "$(printf '%s\n' * */* | jq -Rrn --slurpfile m manifest.json '[inputs]
	- [$m[0].files[].path, "manifest.json", "manifest.note", "artifacts", "artifacts/*", "proofs"] | join(" ")')"
signed checkpoint; { read -r origin; read -r size; read -r root; } <"$t/text"
[ "$origin" = "$name" ] && [ "$size" -gt 0 ] || wrong "checkpoint: it is none of this journal"
while IFS= read -r line; do # RFC 9162, section 2.1.3.2
	seq=$(printf %s "$line" | jq '.seq | floor') && fn=$((seq - 1)) sn=$((size - 1))
	printf '\000%s' "$line" | openssl dgst -sha256 -binary >"$t/r"
	{ read -r _; read -r index; while read -r h && [ "$h" ] && [ "$sn" -gt 0 ]; do
		printf %s "$h" | base64 -d >"$t/p"
		if [ $((fn % 2)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then set -- p r; else set -- r p; fi
		printf '\001' | cat - "$t/$1" "$t/$2" | openssl dgst -sha256 -binary >"$t/n"; mv "$t/n" "$t/r"
		while [ "$1$((fn % 2))" = p0 ] && [ "$fn" -gt 0 ]; do fn=$((fn / 2)) sn=$((sn / 2)); done
		fn=$((fn / 2)) sn=$((sn / 2)); done; cat >"$t/c"; } <"proofs/$seq.tlog-proof"
	[ "$index $sn $(base64 "$t/r") $(cat "$t/c")" = "index $((seq - 1)) 0 $root $(cat checkpoint)" ] ||
		wrong "record $seq: the journal does not have it so"; done <records.jsonl
none "no record has this artifact" "$(jq -rn --slurpfile r records.jsonl --slurpfile m manifest.json '[$m[0].artifacts[]
	| "\(.sha256) \(.size)"] - [$r[] | select(.type == "evidence_added").data | "\(.sha256) \(.size)"] | join(", ")')"
jq -r '"ok: \(.records | length) records, \(.artifacts | length) artifacts", (.missing[] | "missing: \(.what) \(.id): \(.how)")' manifest.json
echo "key: $vkey, SHA-256 $(sha256sum <"$t/key" | head -c 64)$([ $pinned -gt 0 ] || printf '\n%s' 'It came with this archive: compare it with one from elsewhere, or use --key. Who makes another key can make all of this anew.')"
