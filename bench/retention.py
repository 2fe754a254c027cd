#!/usr/bin/env python3
"""What a server's own record says of its forecasts of recall, on one person's real reviews:

    bench/retention.py [--pieces N] [--postgres URL] FOLDER

FOLDER holds review_logs.csv.gz (docs/models.md, "Reviews"). It is imported in pieces, with a night after each; then
`doppel audit` is put beside what `doppel evaluate` says of the same file, whose day begins at 11:00 UTC: 04:00 where
the learner is put. `night` is the server's CPU time for each piece.
"""
import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time

from run import DOPPEL, Server, fresh_database, run, say

FILE = "review_logs.csv.gz"


def figures(text, split):
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return {(r[2], r[3]): (float(r[4]), int(r[7])) for r in rows if r[1] == split and r[4] != "-"}


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def sql(database, text):
    command = ["sqlite3", database.removeprefix("sqlite:")] if database.startswith("sqlite:") else ["psql", "-qAt", database, "-c"]
    return run(*command, text).strip()


def night(folder, database):
    sql(database, "UPDATE learners SET night_at = 1")
    with Server(folder, database) as server:
        while int(sql(database, "SELECT min(night_at) FROM learners")) <= time.time() * 1e6:
            time.sleep(0.05)
        return cpu_seconds(server.process)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder")
    options.add_argument("--pieces", type=int, default=8)
    options.add_argument("--postgres")
    options = options.parse_args()
    source = os.path.join(options.folder, FILE)
    if not os.path.exists(source):
        print(f"skipped: there is no {source}")
        return
    wanted = figures(run(DOPPEL, "evaluate", options.folder), "online")
    with tempfile.TemporaryDirectory() as folder:
        database = fresh_database(options.postgres, folder, "retention")
        run(DOPPEL, "migrate", "--database", database)
        with gzip.open(source, "rt") as f:
            piece = -(-(sum(1 for _ in f) - 1) // options.pieces)
        done = 0
        for number in range(options.pieces):
            run(DOPPEL, "import", "anki", "--learner-zone", "America/Phoenix", "--limit", str(piece * (number + 1)), "--database",
                database, source, stderr=subprocess.DEVNULL)
            reviews = int(sql(database, "SELECT sum(reviews) FROM totals"))
            say("night", reviews=reviews, new=reviews - done, cpu_s=night(folder, database))
            done = reviews
        found = figures(run(DOPPEL, "audit", "--database", database), "all")
    for model in ("doppel", "fsrs-6-default"):
        for metric in ("logLoss", "auc", "brier", "ece"):
            (a, n), (b, m) = found[(model, metric)], wanted[(model, metric)]
            say(f"{model} {metric}", server=a, evaluation=b, n=n, n_evaluation=m)
    if abs(found[("doppel", "logLoss")][0] - wanted[("doppel", "logLoss")][0]) > 0.001:
        sys.exit("the server's record is not what the evaluation says")


if __name__ == "__main__":
    main()
