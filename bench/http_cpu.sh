#!/bin/sh
# http_cpu.sh - what the server costs beside a bare epoll loop: CPU time per request of each, in
# interleaved rounds, the server pinned to one core and the generator to another. Then what 10,000
# idle connections weigh.
#
#     bench/http_cpu.sh [BUILD [ROUNDS [REQUESTS [CONNECTIONS]]]]
#
# "inline" and "worker" are the HTTP layer alone with the bare loop's reply of 1,300 bytes; "served" is
# GET /healthz of the whole program: router, rights, metrics.
#
# Prints medians and ratios to the bare loop. The targets: inline <= 1.15, by a worker <= 1.9.
set -eu
build=${1:-build}
rounds=${2:-5}
requests=${3:-300000}
connections=${4:-64}
dir=$(mktemp -d)
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null || true; done; rm -rf "$dir"' EXIT INT TERM
ulimit -n "$(ulimit -Hn)"

start() { # NAME COMMAND...
    name=$1
    shift
    taskset -c 0 "$@" >"$dir/$name.address" 2>"$dir/$name.err" &
    echo $! >"$dir/$name.pid"
    pids="$pids $!"
    until [ -s "$dir/$name.address" ]; do sleep 0.05; done
}
request() { # NAME PATH
    text=$(printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n.' "$2")
    text=${text%.}
    printf '%s\n%s' "$(printf %s "$text" | wc -c)" "$text" >"$dir/$1.requests"
}
measure() { # LABEL SERVER REQUESTS
    taskset -c 1 "$build/bench/load" "$(sed 's|.*http://||' "$dir/$2.address")" "$dir/$3.requests" \
        -c "$connections" -n "$requests" -p "$(cat "$dir/$2.pid")" >"$dir/out"
    tr '\t' '\n' <"$dir/out" | sed -n 's/^server_cpu_us=//p' >>"$dir/$1.cpu"
}
median() { sort -n "$dir/$1.cpu" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

request inline /inline
request worker /worker
request served /healthz
start floor "$build/bench/http_floor" 0
start hello "$build/bench/http_hello" 127.0.0.1:0
start served "$build/doppel" serve --dev --listen 127.0.0.1:0 --loops 1 --no-access-log --log-level error \
    --database "sqlite:$dir/served.db"
i=0
while [ $i -lt "$rounds" ]; do
    measure floor floor inline
    measure inline hello inline
    measure worker hello worker
    measure served served served
    i=$((i + 1))
done
awk -v f="$(median floor)" -v i="$(median inline)" -v w="$(median worker)" -v s="$(median served)" 'BEGIN {
    printf "bare\t%.2f us\ninline\t%.2f us\t%.2f x\nworker\t%.2f us\t%.2f x\n", f, i, i / f, w, w / f
    printf "served\t%.2f us\t%.2f x\n", s, s / f }'
"$build/bench/http_idle" "$(sed 's|http://||' "$dir/hello.address")" "$(cat "$dir/hello.pid")" 10000
