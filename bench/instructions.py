#!/usr/bin/env python3
"""How many instructions one answered request costs, in user space, by callgrind.

    bench/instructions.py [hit | gzip | same | plain | healthz | bare] ... [--top N]

hit: a kept answer for a key; gzip: the same, compressed; same: asked with its ETag (304); plain: the same without a key
(--dev); healthz: a small reply that is made anew; bare: http_floor, a loop that does nothing but answer. Counting does
not notice what else the machine does. Programs come from build/ (or $BUILD): take a release build.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cache import BODY_PATH, call, post, raw_reply, study  # noqa: E402
from run import DOPPEL, Server, program, request, run, write_requests  # noqa: E402

WARM, COUNTED, CONNECTIONS = 64, 2048, 16
CALLGRIND = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=out.%p"]


class Counted(Server):
    """A server under callgrind, which counts nothing yet."""

    def __init__(self, folder, database, *options):
        super().__init__(folder, database, *options)
        self.args = CALLGRIND + self.args


class Floor:
    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.process = subprocess.Popen(CALLGRIND + [program("http_floor"), "0"], stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL, cwd=self.folder)
        self.port = int(self.process.stdout.readline().strip().rsplit(":", 1)[1])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(30)


WHAT = ("hit", "gzip", "same", "plain", "healthz", "bare")


def control(pid, *what):
    run("callgrind_control", *what, str(pid), stderr=subprocess.DEVNULL)


def count(folder, server, entry, top):
    requests = os.path.join(folder, "requests")
    write_requests(requests, [entry])

    def load(n):
        run(program("load"), f"127.0.0.1:{server.port}", requests, "-c", str(CONNECTIONS), "-n", str(n))

    pid = server.process.pid
    load(WARM)
    control(pid, "-i", "on")
    load(COUNTED)
    control(pid, "-i", "off")
    control(pid, "-d")
    out = os.path.join(folder, f"out.{pid}.1")
    until = time.monotonic() + 30
    while not os.path.exists(out) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    lines = run("callgrind_annotate", "--threshold=100", "--show-percs=no", out, stderr=subprocess.DEVNULL).splitlines()
    os.remove(out)
    total, parts = 0, []
    for line in lines:
        found = re.match(r"\s*([\d,]+)\s+(.*)", line)
        if not found:
            continue
        n = int(found[1].replace(",", "")) / COUNTED
        if "PROGRAM TOTALS" in found[2]:
            total = n
        else:
            parts.append((n, re.sub(r"^.*?([^/:]+:)([^\[]*).*$", r"\1\2", found[2]).strip()))
    return total, parts[:top]


def known(what):
    """In place of choices, which refuse that there is none."""
    if what not in WHAT:
        raise argparse.ArgumentTypeError("one of " + ", ".join(WHAT))
    return what


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", type=known, help="of " + ", ".join(WHAT))
    parser.add_argument("--top", type=int, default=0, help="and the functions that cost most")
    parser.add_argument("--server", action="append", default=[], help="a further option of the server")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="doppel-bench-")
    common = [("User-Agent", "load"), ("Accept", "*/*")]
    try:
        for what in options.what or ["bare", "healthz", "hit"]:
            if what == "bare":
                with Floor(folder) as floor:
                    words = common + [("Authorization", "Bearer " + "k" * 60)]  # as long as a key
                    total, parts = count(folder, floor, request("GET", BODY_PATH, headers=words), options.top)
            else:
                total, parts = of_server(folder, what, common, options)
            print(f"{what}\tinstructions={total:.0f}", flush=True)
            for n, name in parts:
                print(f"  {n:8.1f} {name}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def of_server(folder, what, common, options):
    database = "sqlite:" + os.path.join(folder, what + ".db")
    with Counted(folder, database, "--loops", "1", "--no-night", *options.server) as server:
        post(server, [study("z0", 10)])
        key = run(DOPPEL, "key", "create", "--scope", "read", "--database", database).strip()
        path = "/healthz" if what == "healthz" else BODY_PATH
        if what != "plain":
            common = common + [("Authorization", f"Bearer {key}")]
        if what == "gzip":
            common = common + [("Accept-Encoding", "gzip")]
        time.sleep(2)  # the new key has been noticed
        if what == "same":
            etag = dict(call(server.port, "GET", path, headers=dict(common))[1])["ETag"]
            common = common + [("If-None-Match", etag)]
        entry = request("GET", path, headers=common)
        raw_reply(server.port, request("GET", path, headers=common[:3]).split(b"\n", 1)[1])
        return count(folder, server, entry, options.top)


if __name__ == "__main__":
    main()
