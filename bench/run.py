#!/usr/bin/env python3
"""The figures of docs/performance.md: starts servers on private ports and measures them.

    bench/run.py ingest  [--postgres URL] [--events N] [--server OPTION]
    bench/run.py answers [--postgres URL] [--events N] [--rate R] [--server OPTION] [--only NAME,...]
                         [--folder DIR [--nights SECONDS]]
    bench/run.py memory

Programs come from build/ (or $BUILD). Every figure of the server stands beside one of a bare program on
the same machine in the same run; ratios travel, absolute figures do not. Needs two processors: the
server is not pinned, the load is. Nothing is left behind, but what --folder names: there `answers` keeps
its databases (those of PostgreSQL as bench_N on the server of the URL) and uses them the next time.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

BUILD = os.environ.get("BUILD", os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build"))
DOPPEL = os.path.join(BUILD, "doppel")


def program(name):
    return os.path.join(BUILD, "bench", name)


def run(*args, **more):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def figures(line):
    return {k: float(v) for k, v in (pair.split("=") for pair in line.split())}


class Server:
    """A server on a free port, ready when the block is entered, stopped when it is left."""

    def __init__(self, folder, database, *options):
        self.args = [DOPPEL, "serve", "--dev", "--listen", "127.0.0.1:0", "--database", database,
                     "--no-access-log", "--log-level", "error", *options]
        self.folder = folder

    def __enter__(self):
        begin = time.monotonic()
        self.process = subprocess.Popen(self.args, stdout=subprocess.PIPE, text=True, cwd=self.folder,
                                        stderr=open(os.path.join(self.folder, "server.log"), "a"))
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the server did not start: " + " ".join(self.args))
        self.port = int(line.strip().rsplit(":", 1)[1].rstrip("/"))
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as reply:
                    if reply.status == 200:
                        break
            except OSError:
                pass
            if time.monotonic() - begin > 20:
                sys.exit("the server did not become ready")
            time.sleep(0.005)
        self.ready_ms = (time.monotonic() - begin) * 1000
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def rss_mib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024

    def load(self, requests, *options):
        return figures(run(program("load"), f"127.0.0.1:{self.port}", requests, "-p", str(self.process.pid),
                           *options))


def request(method, path, body=b"", kind="application/json", headers=()):
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    for name, value in headers:
        head += f"{name}: {value}\r\n"
    if body:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    text = (head + "\r\n").encode() + body
    return str(len(text)).encode() + b"\n" + text


def write_requests(path, requests):
    with open(path, "wb") as f:
        for r in requests:
            f.write(r)


DAYS = 120
EVENTS_PER_LEARNER = 9_000  # about, in that time


def simulate(folder, events):
    """A class with about that many events, as NDJSON; the path and the learners' ids."""
    path = os.path.join(folder, "events.ndjson")
    learners = max(2, round(events / EVENTS_PER_LEARNER))
    run(DOPPEL, "simulate", "--learners", str(learners), "--days", str(DAYS), "--seed", "1",
        "--start", time.strftime("%Y-%m-%d", time.gmtime(time.time() - DAYS * 86400)), "--out", path)
    return path, [f"sim-{i:04d}" for i in range(1, learners + 1)]


def say(what, **values):
    print(what + "\t" + "\t".join(f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items()),
          flush=True)


def fresh_database(postgres, folder, name):
    if not postgres:
        for end in ("", "-wal", "-shm"):
            try:
                os.remove(os.path.join(folder, name + ".db" + end))
            except FileNotFoundError:
                pass
        return database_of(None, folder, name)
    run("psql", "-q", postgres, "-c", "SET client_min_messages = error", "-c", f"DROP DATABASE IF EXISTS bench_{name}", "-c", f"CREATE DATABASE bench_{name}")
    return database_of(postgres, folder, name)


def ingest(options, folder):
    path, _ = simulate(folder, options.events)
    with open(path, "rb") as f:
        lines = f.read().splitlines()
    source = os.path.join(folder, "source.db")
    run(DOPPEL, "import", "events", path, "--database", "sqlite:" + source)
    batches = os.path.join(folder, "batches")
    write_requests(batches, [request("POST", "/api/events", b"\n".join(lines[i:i + 100]), "application/x-ndjson")
                             for i in range(0, len(lines), 100)])
    singles = os.path.join(folder, "singles")
    count = min(len(lines), 60_000)
    write_requests(singles, [request("POST", "/api/events", line) for line in lines[:count]])
    for engine, postgres in (("sqlite", None), ("postgresql", options.postgres)):
        if engine == "postgresql" and not postgres or options.engine not in ("both", engine):
            continue
        target = postgres or "sqlite:" + os.path.join(folder, "floor.db")
        for round_ in range(options.rounds):
            floor = figures(run(program("insert_floor"), source, str(len(lines)), target))["rows_per_second"]
            # the same with the server's own, larger write-ahead log: what is left is the server's work
            tuned = floor if postgres else figures(run(program("insert_floor"), source, str(len(lines)), target,
                                                       "16384"))["rows_per_second"]
            with Server(folder, fresh_database(postgres, folder, "ingest"), *options.server) as server:
                got = server.load(batches, "-c", "16", "-n", "-1")
            rate = got["rate"] * 100
            say(f"ingest {engine} batches of 100, 16 connections", events_per_second=round(rate), floor=round(floor),
                ratio=rate / floor, floor_large_log=round(tuned), ratio_large_log=rate / tuned, p99_ms=got["p99_ms"], failed=int(got["4xx"] + got["5xx"] + got["lost"]))
            with Server(folder, fresh_database(postgres, folder, "singles"), *options.server) as server:
                got = server.load(singles, "-c", "64", "-n", "-1")
            say(f"ingest {engine} single posts, 64 connections", events_per_second=round(got["rate"]),
                p50_ms=got["p50_ms"], p99_ms=got["p99_ms"], failed=int(got["4xx"] + got["5xx"] + got["lost"]))


def reads():
    """All reads of a learner that need nothing but the learner, of two names for one answer the first: the operation's
    name, its path, and how it is kept."""
    document = json.loads(subprocess.run([DOPPEL, "openapi"], stdout=subprocess.PIPE, check=True).stdout)
    found = []
    for path, item in document["paths"].items():
        read = item.get("get", {})
        parameters = read.get("parameters", [])
        needed = [p for p in parameters if p["in"] == "path" or (p.get("required") and p["name"] != "userId")]
        if path.startswith("/api/") and not needed and any(p["name"] == "userId" for p in parameters) \
                and path not in NOT_ANSWERS:
            found.append((read["operationId"], path, read.get("x-kept", {})))
    return found


# Parameters that exclude each other, and a file of everything.
NOT_ANSWERS = {"/api/learning/sessions/compare", "/api/analytics/export"}
TOMORROW = time.strftime("%Y-%m-%dT18:00:00Z", time.gmtime(time.time() + 86400))
# What is worked out on demand and kept.
MADE = [
    ("post_session_plan", "/api/orchestration/session-plan", {"duration": 60, "startTime": TOMORROW}),
    ("post_predictions_generate", "/api/analytics/predictions/generate", {}),
]


SMALL = 100_000


def database_of(postgres, folder, name):
    if not postgres:
        return "sqlite:" + os.path.join(folder, name + ".db")
    base, _, rest = postgres.partition("?")
    return base.rsplit("/", 1)[0] + f"/bench_{name}" + (("?" + rest) if rest else "")


def stored(folder, engine, postgres, size, seconds):
    """A database with about that many events and the analysis of its learners' nights: the one that is there, else a
    new one."""
    mark = os.path.join(folder, f"{engine}-{size}.made")
    if not os.path.exists(mark):
        path, learners = simulate(folder, size)
        database = fresh_database(postgres, folder, str(size))
        begin = time.monotonic()
        run(DOPPEL, "import", "events", path, "--database", database)
        say(f"import {engine}", events=size, seconds=time.monotonic() - begin)
        os.remove(path)
        night(folder, engine, database, len(learners), seconds)
        with open(mark, "w") as f:
            f.write("\n".join(learners) + "\n")
    with open(mark) as f:
        return database_of(postgres, folder, str(size)), f.read().split()


def requests_of(folder, name, learners, answers_):
    """Files of requests, one for each of the learners, by answer."""
    files = {}
    for answer, path, body in answers_:
        files[answer] = os.path.join(folder, f"{name}-{answer}")
        write_requests(files[answer], [
            request("POST", path, json.dumps({**body, "userId": x}).encode()) if body is not None
            else request("GET", f"{path}?userId={x}") for x in learners])
    return files


def night(folder, engine, database, learners, seconds):
    """All learners' nightly analysis, so that there is something to answer; those that the seconds are enough for."""
    with Server(folder, database, "--cache-bytes-max", "0") as server:
        begin = last = time.monotonic()
        done = 0
        # Who has more than one run can take comes again at once; who failed, at the next look, half a minute later.
        while (done < learners or time.monotonic() - last < 45) and time.monotonic() - begin < seconds:
            time.sleep(0.2)
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as page:
                text = page.read().decode()
            before, done = done, int(float(re.search(r"^doppel_night_learners_total (\S+)", text, re.M)[1]))
            if done > before:
                last = time.monotonic()
        took = last - begin
        say(f"night {engine}", learners=learners, done=done, seconds=took, ms_each=took / max(1, done) * 1e3)


def middle(values):
    return sorted(values)[len(values) // 2]


def chosen(options):
    """The answers to measure: name, path, body (None: a GET)."""
    found = [(name, path, None) for name, path, _ in reads()] + MADE
    wanted = options.only.split(",") if options.only else [name for name, _, _ in found]
    unknown = set(wanted) - {name for name, _, _ in found}
    if unknown:
        sys.exit(f"no such answers: {', '.join(sorted(unknown))}; there are {', '.join(n for n, _, _ in found)}")
    return [one for one in found if one[0] in wanted]


def bare_disk(folder, rate, seconds=1.5):
    """What the disk alone takes at that rate: milliseconds of 8 KB appended to a file and synced, one after the other,
    the middle and the 95th of 100. Whatever is stored before it is answered cannot be quicker."""
    took, path, text = [], os.path.join(folder, "disk"), bytes(8192)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    begin = time.monotonic()
    while (now := time.monotonic()) < begin + seconds:
        due = begin + len(took) / rate
        if now < due:
            time.sleep(due - now)
            now = time.monotonic()
        os.write(file, text)
        os.fdatasync(file)
        took.append((time.monotonic() - now) * 1e3)
    os.close(file)
    os.remove(path)
    return {"disk_p50_ms": middle(took), "disk_p95_ms": sorted(took)[len(took) * 95 // 100]}


def answers(options, folder):
    """Uncached answers, one endpoint after another, at a small and a large history in turn: what the
    machine does besides meets both alike."""
    names = chosen(options)
    stores = {name for name, _, _ in MADE}
    keep = options.folder or folder
    for engine, postgres in (("sqlite", None), ("postgresql", options.postgres)):
        if engine == "postgresql" and not postgres or options.engine not in ("both", engine):
            continue
        small, few = stored(keep, engine, postgres, SMALL, options.nights)
        large, many = stored(keep, engine, postgres, options.events, options.nights)
        small_requests = requests_of(folder, "small", few, names)
        large_requests = requests_of(folder, "large", many, names)
        # what an answer costs to make: nothing is kept, and no night's work goes on beside
        made = ["--cache-bytes-max", "0", "--no-night", *options.server]
        with Server(folder, small, *made) as one, Server(folder, large, *made) as two:
            for name, _, _ in names:
                pair = ((one, small_requests[name]), (two, large_requests[name]))
                for server, requests in pair:
                    server.load(requests, "-c", "64", "-n", "3000")
                # with fewer connections than the small one has learners: those who ask the same share an answer
                rounds = [[server.load(requests, "-c", "8", "-t", "0.7") for server, requests in pair]
                          for _ in range(options.rounds)]
                most = middle([two.load(large_requests[name], "-c", "64", "-t", "0.4")["rate"]
                               for _ in range(options.rounds)])
                rate = options.rate or most * options.share
                got = two.load(large_requests[name], "-c", "64", "-t", "2", "-r", str(rate))
                say(f"answer {engine} {name}", events=options.events, most_per_second=round(most),
                    at_rate=round(rate), p50_ms=got["p50_ms"], p95_ms=got["p95_ms"], p99_ms=got["p99_ms"],
                    server_cpu_us=middle([b["server_cpu_us"] for _, b in rounds]),
                    cost_to_small=middle([b["server_cpu_us"] / a["server_cpu_us"] for a, b in rounds]),
                    time_to_small=middle([a["rate"] / b["rate"] for a, b in rounds]),
                    failed=int(got["4xx"] + got["5xx"] + got["lost"]), **(bare_disk(keep, rate) if name in stores else {}))
            say(f"resident {engine}", small_mib=one.rss_mib(), large_mib=two.rss_mib())


def memory(_, folder):
    with Server(folder, fresh_database(None, folder, "memory")) as server:
        time.sleep(0.5)
        say("ready to serve", ms=server.ready_ms)
        idle = server.rss_mib()
        say("idle", rss_mib=idle)
        open_ = []
        for _ in range(10_000):
            s = socket.create_connection(("127.0.0.1", server.port))
            open_.append(s)
        time.sleep(1)
        say("10,000 idle connections, never used", added_mib=server.rss_mib() - idle)
        text = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for s in open_:
            s.sendall(text)
        for s in open_:
            s.recv(4096)
        time.sleep(1)
        say("10,000 idle connections, each used once", added_mib=server.rss_mib() - idle)
        for s in open_:
            s.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ingest", "answers", "memory"])
    parser.add_argument("--postgres", help="URL of a server on which databases may be made and dropped")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rate", type=float, help="requests a second, instead of a share of the most")
    parser.add_argument("--share", type=float, default=0.25, help="of the most that a closed loop gets, as the rate")
    parser.add_argument("--engine", choices=["both", "sqlite", "postgresql"], default="both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", metavar="NAME,...", help="these answers only")
    parser.add_argument("--folder", metavar="DIR", help="made with what is missing, and kept")
    parser.add_argument("--nights", type=float, default=float("inf"), metavar="SECONDS",
                        help="at most so long for the learners' nights after an import")
    parser.add_argument("--server", action="append", default=[], metavar="OPTION",
                        help="handed to the servers, such as --server=--sqlite-cache=64MiB; may be repeated")
    options = parser.parse_args()
    if options.folder:
        os.makedirs(options.folder, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="doppel-bench-")
    try:
        {"ingest": ingest, "answers": answers, "memory": memory}[options.what](options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
