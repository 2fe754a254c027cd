#!/usr/bin/env python3
"""The answer cache's figures of docs/performance.md.

    bench/cache.py hit     server CPU of a hit beside a bare loop, nginx, Varnish and Node; latency at half load
    bench/cache.py crowd   10,000 requests at once for one cold answer, and for 1,000
    bench/cache.py mixed   hits of a mixed load in 64 MiB, with writers who read their writes back
    bench/cache.py random  memory while answers come and go
    bench/cache.py nodes --postgres URL   two servers and a Redis: when a write is heard, and how reads fare while
                           Redis is killed and started again

Servers are on private ports and on processor 0, the load is on processor 1. Rounds are interleaved, and
medians count. Nothing is left behind.
"""
import argparse
import http.client
import itertools
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import DOPPEL, Server, figures, fresh_database, middle, program, reads, request, run, say, write_requests  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SEARCH = os.environ["PATH"] + ":/usr/sbin"
MIB = 1 << 20
BODY_PATH = "/api/analytics/burnout-risk?userId=z0"
STUDY_TIME = "/api/analytics/study-time"
HEATMAP = "/api/analytics/study-time-heatmap"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def call(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body=body, headers=headers or {})
    got = connection.getresponse()
    reply = got.status, got.getheaders(), got.read()
    connection.close()
    return reply


def stats(server):
    return json.loads(call(server.port, "GET", "/api/cache/stats")[2])["data"]


_ids = itertools.count(1)


def study(learner, minutes=1):
    n = next(_ids)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400 - n % 800000))
    return {"id": f"b{n}", "learner": learner, "at": at, "kind": "study", "session": f"s{n}",
            "durationMs": minutes * 60000}


def post(server, events):
    status, _, body = call(server.port, "POST", "/api/events", json.dumps(events), {"Content-Type": "application/json"})
    if status >= 300:
        sys.exit(f"events refused: {status} {body[:200]!r}")


def seed(server, learners):
    for i in range(0, learners, 500):
        post(server, [study(f"z{k}") for k in range(i, min(i + 500, learners))])


class Program:
    """Something else that answers, on processor 0."""

    def __init__(self, args, port=None):
        self.process = subprocess.Popen(["taskset", "-c", "0", *args], stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL)
        self.port = port or int(self.process.stdout.readline().strip().rsplit(":", 1)[1])
        until = time.monotonic() + 30
        while True:
            try:
                if call(self.port, "GET", BODY_PATH)[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > until or self.process.poll() is not None:
                sys.exit("did not start: " + " ".join(args))
            time.sleep(0.05)
        self.pid = self.process.pid

    def worker(self):
        """The child that answers, where the first process only looks after it."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
            self.pid = int(f.read().split()[0])
        return self

    def close(self):
        self.process.terminate()
        self.process.wait(30)


NGINX = """
daemon off; master_process off; pid {0}/pid; error_log {0}/error;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {0}/body; proxy_temp_path {0}/temp; fastcgi_temp_path {0}/fcgi;
    uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
    proxy_cache_path {0}/cache keys_zone=all:8m max_size=64m use_temp_path=off;
    server {{
        listen 127.0.0.1:{2};
        location / {{ proxy_pass http://127.0.0.1:{1}; proxy_cache all; proxy_cache_valid 200 1h; }}
    }}
}}
"""


def others(folder, reply, body):
    """What else answers with the same body; by name."""
    with open(os.path.join(folder, "reply"), "wb") as f:
        f.write(reply)
    with open(os.path.join(folder, "body"), "wb") as f:
        f.write(body)
    with open(os.path.join(folder, "origin"), "wb") as f:
        f.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=3600\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body)
    found = {"bare loop": Program([program("http_floor"), "0", os.path.join(folder, "reply")])}
    origin = found["origin"] = Program([program("http_floor"), "0", os.path.join(folder, "origin")])
    nginx, varnish, node = (shutil.which(name, path=SEARCH) for name in ("nginx", "varnishd", "node"))
    if nginx:
        port, home = free_port(), os.path.join(folder, "nginx")
        os.mkdir(home)
        os.chmod(folder, 0o755)
        os.chmod(home, 0o777)
        with open(os.path.join(home, "conf"), "w") as f:
            f.write(NGINX.format(home, origin.port, port))
        found["nginx"] = Program([nginx, "-c", os.path.join(home, "conf"), "-p", home], port)
    if varnish:
        port, home = free_port(), os.path.join(folder, "varnish")
        os.mkdir(home)
        found["Varnish"] = Program([varnish, "-F", "-j", "none", "-n", home, "-a", f"127.0.0.1:{port}", "-b",
                                    f"127.0.0.1:{origin.port}", "-s", "malloc,64m", "-T", "none"], port).worker()
    if node:
        found["Node"] = Program([node, os.path.join(HERE, "http_node.js"), os.path.join(folder, "body")])
    return found


def raw_reply(port, text):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(text)
        got = b""
        while b"\r\n\r\n" not in got:
            got += s.recv(65536)
        length = int(got.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(got) < got.index(b"\r\n\r\n") + 4 + length:
            got += s.recv(65536)
        return got


def load(port, pid, requests, *options):
    return figures(run("taskset", "-c", "1", program("load"), f"127.0.0.1:{port}", requests, "-p", str(pid), *options))


def hit(options, folder):
    database = "sqlite:" + os.path.join(folder, "hit.db")
    with Server(folder, database, "--loops", "1", "--no-night") as server:
        run("taskset", "-a", "-cp", "0", str(server.process.pid))
        post(server, [study("z0", 10)])
        key = run(DOPPEL, "key", "create", "--scope", "read", "--database", database).strip()
        requests = os.path.join(folder, "requests")
        entry = request("GET", BODY_PATH, headers=[("User-Agent", "load"), ("Accept", "*/*"), ("Authorization", f"Bearer {key}")])
        write_requests(requests, [entry])
        text = entry.split(b"\n", 1)[1]
        time.sleep(1)  # the new key has been noticed
        for _ in range(3):
            reply = raw_reply(server.port, text)
        # Proxies keep nothing that was asked for with Authorization, unless told; they need no rights here.
        plain = os.path.join(folder, "plain")
        write_requests(plain, [request("GET", BODY_PATH, headers=[("User-Agent", "load"), ("Accept", "*/*")])])
        found = others(folder, reply, reply.split(b"\r\n\r\n", 1)[1])
        try:
            targets = {name: (p.port, p.pid, requests if name == "bare loop" else plain) for name, p in found.items() if name != "origin"}
            targets["doppel"] = (server.port, server.process.pid, requests)
            rounds = {name: [] for name in targets}
            for _ in range(options.rounds):
                for name, target in targets.items():
                    got = load(*target, "-c", "64", "-n", str(options.requests))
                    if got["2xx"] != options.requests:
                        sys.exit(f"{name}: {got}")
                    rounds[name].append(got)
            cpu = {name: middle([r["server_cpu_us"] for r in of]) for name, of in rounds.items()}
            for name, of in rounds.items():
                ratios = [a["server_cpu_us"] / b["server_cpu_us"] for a, b in zip(rounds["doppel"], of)]
                say(f"hit {name}", body_bytes=len(reply.split(b"\r\n\r\n", 1)[1]), cpu_us=cpu[name],
                    most_per_second=round(middle([r["rate"] for r in of])), doppel_ratio=middle(ratios))
            # The bare loop at the same rate shows what the machine itself lets wait.
            half = middle([r["rate"] for r in rounds["doppel"]]) / 2
            for name in ("bare loop", "doppel"):
                calm = [load(*targets[name], "-c", "64", "-t", "2", "-r", str(half)) for _ in range(options.rounds)]
                say(f"hit {name} at half load", rate=round(half), p50_ms=middle([r["p50_ms"] for r in calm]),
                    p99_ms=middle([r["p99_ms"] for r in calm]), best_p99_ms=min(r["p99_ms"] for r in calm))
        finally:
            for p in found.values():
                p.close()


def all_at_once(server, targets):
    """The server is held while they ask: when it goes on, all are there."""
    open_ = []
    for target in targets:
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode())
        open_.append(s)
    server.process.send_signal(signal.SIGSTOP)
    for s in open_:
        s.sendall(b"\r\n")
    server.process.send_signal(signal.SIGCONT)
    statuses = {}
    for s in open_:
        status = s.recv(65536)[9:12].decode()
        statuses[status] = statuses.get(status, 0) + 1
        s.close()
    return statuses


def crowd(options, folder):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Server(folder, "sqlite:" + os.path.join(folder, "crowd.db"), "--no-night") as server:
        seed(server, 1000)
        for what, targets in (("one cold answer", [HEATMAP + "?userId=z0&weeks=31"] * options.parallel),
                              ("1,000 cold answers", [f"{HEATMAP}?userId=z{i % 1000}&weeks=30" for i in range(options.parallel)])):
            before = stats(server)["memory"]
            begin = time.monotonic()
            statuses = all_at_once(server, targets)
            after = stats(server)["memory"]
            say(f"crowd {what}", requests=len(targets), statuses=statuses, fills=after["fills"] - before["fills"],
                waited=after["collapsed"] - before["collapsed"], seconds=time.monotonic() - begin)


def check(server, learner, stop, wrong, count):
    """Reads each of its writes back, twice; others read the same, nobody else writes it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def ask(method, path, body=None):
        connection.request(method, path, body=body, headers={"Content-Type": "application/json"} if body else {})
        got = connection.getresponse()
        return got.status, json.loads(got.read())

    try:
        expected = ask("GET", STUDY_TIME + "?userId=" + learner)[1]["data"]["totalStudyTime"]
        while not stop.is_set():
            status, _ = ask("POST", "/api/events", json.dumps([study(learner)]))
            expected += 1
            for _ in range(2):
                got, reply = ask("GET", STUDY_TIME + "?userId=" + learner)
                if status >= 300 or got != 200 or reply["data"]["totalStudyTime"] != expected:
                    wrong.append((learner, expected, status, got, reply))
            count[learner] = count.get(learner, 0) + 1
            stop.wait(0.1)
    except (OSError, http.client.HTTPException, KeyError, ValueError) as e:
        wrong.append((learner, repr(e)))


def cumulated(weights):
    return list(itertools.accumulate(weights))


WRITES = 0.02
# Beside events, which are nine of ten writes.
OTHER_WRITES = [("PATCH", "/api/personalization/preferences", {"disabledFeatures": ["durations"]}),
                ("POST", "/api/analytics/behavioral-insights/goals",
                 {"goalType": "CUSTOM", "targetValue": 10, "title": "Read", "deadline": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 86400 * 30))}),
                ("POST", "/api/orchestration/exams", {"name": "Finals", "date": time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 * 30))})]


def simulated():
    """Events of a simulated class, in their own proportions: what learners send."""
    return [json.loads(line) for line in run(DOPPEL, "simulate", "--learners", "20", "--days", "30", "--seed", "1", "--out", "-").splitlines()]


def write_of(dice, events, learner):
    if dice.random() < 0.1:
        method, path, body = dice.choice(OTHER_WRITES)
        return method, path, {"userId": learner, **body}
    n = next(_ids)
    e = dict(dice.choice(events), learner=learner, id=f"w{n}", at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - n % 80000)))
    for name in ("session", "mission"):
        if name in e:
            e[name] = f"{name}-{learner}-{n % 3}"
    if "mission" in e.get("data", {}):
        e["data"] = dict(e["data"], mission=e["mission"])
    return "POST", "/api/events", [e]


def measured_of(options):
    return options.measured or options.requests


def mixed_requests(options, dice, events, asked, weights, checked):
    """Two parts of requests, and what share of the second's reads was not asked before: at most so many can be hits."""
    ranks = range(options.learners)
    popular, seen, halves = cumulated(1 / (r + 1) for r in ranks), set(), []
    for n in (options.requests, measured_of(options)):
        people = dice.choices(ranks, cum_weights=popular, k=n)
        paths = dice.choices(asked, cum_weights=cumulated(weights), k=n)
        out, cold = [], 0
        for who, path in zip(people, paths):
            if dice.random() < WRITES and who not in checked:
                method, path, body = write_of(dice, events, f"z{who}")
                out.append(request(method, path, json.dumps(body).encode()))
            else:
                cold += (who, path) not in seen
                seen.add((who, path))
                out.append(request("GET", f"{path}?userId=z{who}", headers=[("Accept-Encoding", "gzip")]))
        halves.append(out)
    return halves, cold / (measured_of(options) * (1 - WRITES))


def mixed_load(options, server, files, checked):
    """The second part's figures, and those who read their writes back: how often, and where that failed."""
    stop, wrong, count = threading.Event(), [], {}
    checkers = [threading.Thread(target=check, args=(server, f"z{i}", stop, wrong, count), daemon=True) for i in checked]
    for t in checkers:
        t.start()
    pace = ("-r", str(options.rate), "-t", str(measured_of(options) / options.rate)) if options.rate else ("-n", "-1")
    server.load(files[0], "-c", "64", "-n", "-1")
    before = stats(server)["memory"]
    got = server.load(files[1], "-c", "64", *pace)
    after = stats(server)["memory"]
    stop.set()
    for t in checkers:
        t.join()
    grown = {k: after[k] - before[k] for k in ("hits", "staleHits", "misses", "aheadMade", "aheadUsed", "aheadWasted", "fills")}
    grown["outdated"] = after["dropped"]["outdated"] - before["dropped"]["outdated"]
    return got, after, grown, sum(count.values()), len(wrong)


def mixed(options, folder):
    dice = random.Random(1)
    checked, events = range(20, 24), simulated()
    with Server(folder, "sqlite:" + os.path.join(folder, "mixed.db"), "--no-night") as server:
        post(server, [study("z0")])
        # what needs more than one session to say anything is a refusal, which is not kept
        asked = [path for _, path, kept in reads() if kept.get("freshSeconds") and call(server.port, "GET", path + "?userId=z0")[0] == 200]
    dice.shuffle(asked)
    for what, weights in (("endpoints by Zipf", [1 / (i + 1) for i in range(len(asked))]),
                          ("endpoints alike", [1] * len(asked))):
        if options.only and not what.endswith(options.only):
            continue
        halves, cold = mixed_requests(options, dice, events, asked, weights, checked)
        files = [os.path.join(folder, f"mixed{part}") for part in range(2)]
        for file, half in zip(files, halves):
            write_requests(file, half)
        for ahead in options.ahead.split(","):
            with Server(folder, fresh_database(None, folder, "mixed"), "--no-night", "--cache-bytes-max", options.cache, "--cache-ahead", ahead) as server:
                seed(server, options.learners)
                idle = server.rss_mib()
                got, after, grown, checks, stale = mixed_load(options, server, files, checked)
                hits, misses = grown["hits"] + grown["staleHits"], grown["misses"]
                say(f"mixed {what}, ahead {ahead} %", endpoints=len(asked), requests=options.requests, measured=measured_of(options), rate=round(got["rate"]), cpu_us=got["server_cpu_us"],
                    p99_ms=got["p99_ms"], hits=hits / (hits + misses), at_most=1 - cold, made=grown["aheadMade"], used=grown["aheadUsed"],
                    wasted=grown["aheadWasted"], fills=grown["fills"], left=after["aheadLeft"],
                    bytes_mib=after["bytes"] / MIB, entries=after["entries"], evicted=after["dropped"]["evicted"], outdated=grown["outdated"],
                    grown_mib=server.rss_mib() - idle, checks=checks, stale=stale, refused=int(got["4xx"]), failed=int(got["5xx"] + got["lost"]))


def random_keys(options, folder):
    dice = random.Random(2)
    learners = 10_000
    requests = os.path.join(folder, "random")
    paths = ["/api/analytics/study-time-heatmap?weeks={}&userId=z{}", "/api/learning/sessions?limit={}&userId=z{}"]
    write_requests(requests, [request("GET", dice.choice(paths).format(dice.randint(1, 50), dice.randrange(learners)))
                              for _ in range(options.requests)])
    for size in ("0", options.cache):
        with Server(folder, "sqlite:" + os.path.join(folder, f"random{size}.db"), "--no-night", "--cache-bytes-max", size) as server:
            seed(server, learners)
            idle = server.rss_mib()
            most = 0
            for _ in range(options.rounds):
                got = server.load(requests, "-c", "64", "-n", "-1")
                most = max(most, server.rss_mib())
            memory = stats(server)["memory"]
            say(f"random, cache of {size}", requests=options.requests * options.rounds, idle_mib=idle, most_mib=most, grown_mib=most - idle,
                bytes_mib=memory["bytes"] / MIB, entries=memory["entries"], evicted=memory["dropped"]["evicted"], failed=int(got["4xx"] + got["5xx"]))


def redis(verb, folder):
    return run(os.path.join(os.path.dirname(HERE), "tools", "redis_private.sh"), verb, folder).strip()


def heard(one, other, writes):
    """Milliseconds from the moment when the writer has read its own write until the other server's answer has it."""
    took = []
    for i in range(1, writes + 1):
        one, other = other, one
        post(one, [study("heard")])
        for server in (one, other):
            begin = time.monotonic()
            while True:
                status, _, body = call(server.port, "GET", STUDY_TIME + "?userId=heard")
                if status == 200 and json.loads(body)["data"]["totalStudyTime"] == i:
                    break
                if status >= 500 or time.monotonic() - begin > 10:
                    sys.exit(f"{status} {body[:200]!r}, not {i}")
        took.append((time.monotonic() - begin) * 1000)
    return sorted(took)


def nodes(options, folder):
    """Reads that are not in memory: each asks Redis, or the database where it is away. One second a slice."""
    dice, slices, rate = random.Random(3), {}, options.rate or 300
    url = redis("start", folder)
    try:
        database = fresh_database(options.postgres, folder, "nodes")
        flags = ("--no-night", "--redis", url)
        requests = os.path.join(folder, "nodes")
        write_requests(requests, [request("GET", f"{HEATMAP}?userId=z{dice.randrange(200)}&weeks={dice.randint(1, 50)}") for _ in range(20_000)])

        def part(what, server):
            got = server.load(requests, "-c", "16", "-t", "1", "-r", str(rate))
            slices.setdefault(what, []).append(got)

        with Server(folder, database, *flags) as one, Server(folder, database, *flags) as other:
            seed(one, 200)
            took = heard(one, other, 300)
            say("nodes: a write is heard", writes=len(took), median_ms=took[len(took) // 2], p99_ms=took[len(took) * 99 // 100], most_ms=took[-1])
        with Server(folder, database, *flags, "--cache-bytes-max", "0") as server:
            for _ in range(5):
                part("warming", server)
            for _ in range(options.rounds):
                part("Redis is up", server)
                redis("crash", folder)
                part("away, first second", server)
                part("away, second", server)
                redis("start", folder)
                part("back, first second", server)
                part("back, second", server)
            for what, of in slices.items():
                say(f"nodes: {what}", rate=rate, rounds=len(of), p99_ms=middle([g["p99_ms"] for g in of]), worst_p99_ms=max(g["p99_ms"] for g in of),
                    failed=int(sum(g["5xx"] + g["lost"] for g in of)))
    finally:
        redis("stop", folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["hit", "crowd", "mixed", "random", "nodes"])
    parser.add_argument("--postgres", help="for nodes: a database of a server where others may be made")
    parser.add_argument("--rate", type=int, help="for nodes: reads a second; for mixed: requests a second in its second part, without it as many as go")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--cache", default="64MiB", help="for mixed and random")
    parser.add_argument("--only", choices=["Zipf", "alike"], help="for mixed: one of its parts")
    parser.add_argument("--learners", type=int, default=10_000, help="for mixed")
    parser.add_argument("--measured", type=int, help="for mixed: requests of the second part; without it as many as of the first")
    parser.add_argument("--ahead", default="10,0", help="for mixed: values of cache_ahead, one run with each")
    parser.add_argument("--parallel", type=int, default=10_000)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of what ends the servers
    folder = tempfile.mkdtemp(prefix="doppel-bench-")
    try:
        {"hit": hit, "crowd": crowd, "mixed": mixed, "random": random_keys, "nodes": nodes}[options.what](options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
