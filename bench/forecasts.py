#!/usr/bin/env python3
"""What predictions/generate takes for learners with 200 objectives, on a private port:

    bench/forecasts.py [--postgres URL] [--learners N] [--days N] [--more N] [--folder DIR]

A class is made whose learners have met 200 objectives, with cards and prerequisites; their nights are done. Then
days pass (the forecasts are moved back a day), each with some answers more, and after each of them every learner
asks for forecasts, one after the other: that is a day's first call. After the last, everybody asks again. `cpu` is
the server's alone; the answers of the last day go into --folder, for comparison of two programs.
"""
import argparse
import glob
import http.client
import json
import os
import random
import shutil
import subprocess
import tempfile
import time

from run import DOPPEL, Server, fresh_database, middle, night, run, say

OBJECTIVES, ITEMS, DAYS_BEFORE, ANSWERS = 200, 5, 40, 3000


def catalogue():
    yield {"type": "course", "course": "c1", "name": "Anatomy"}
    for o in range(OBJECTIVES):
        yield {"type": "objective", "objective": f"o{o}", "course": "c1", "name": f"Objective {o}",
               "complexity": ("BASIC", "INTERMEDIATE", "ADVANCED")[o % 3]}
        if o >= 3:
            yield {"type": "prerequisite", "objective": f"o{o}", "prerequisite": f"o{o - 3}", "strength": 0.7}
        for i in range(ITEMS):
            yield {"type": "item", "item": f"i{o}-{i}", "course": "c1", "objective": f"o{o}", "itemType": "BASIC"}


def event(rng, learner, at, number):
    o = number % OBJECTIVES
    e = {"id": f"{learner}-{number}", "learner": learner,
         "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)), "objective": f"o{o}",
         "item": f"i{o}-{rng.randrange(ITEMS)}", "latencyMs": rng.randrange(2000, 60000)}
    if rng.random() < 0.3:
        return {**e, "kind": "review", "rating": rng.choice((1, 3, 3, 3, 4))}
    return {**e, "kind": "answer", "correct": rng.random() < 0.4 + 0.4 * (o % 7) / 6}


def write(path, lines):
    with open(path, "w") as f:
        f.writelines(json.dumps(x) + "\n" for x in lines)
    return path


def let_a_day_pass(database):
    """All forecasts become a day older, the oldest first so that none meets the name of another."""
    number = "CAST(substr(prediction, 1, 5) AS {int})"
    text = """
      UPDATE interventions SET created_at = created_at - 86400000000,
             prediction = ({n} - 1) || substr(prediction, 6), intervention = ({n} - 1) || substr(intervention, 6)
       WHERE prediction IS NOT NULL AND {n} = {d};
      UPDATE struggle_predictions SET prediction = ({n} - 1) || substr(prediction, 6), day = day - 1,
             made_at = made_at - 86400000000, until_at = until_at - 86400000000
       WHERE day = {d};
    """
    sqlite = database.startswith("sqlite:")
    number = number.format(int="INTEGER" if sqlite else "bigint")
    today = int(time.time() // 86400)
    text = "BEGIN;" + "".join(text.format(n=number, d=today - back) for back in range(40, -1, -1)) + "COMMIT;"
    if sqlite:
        subprocess.run(["sqlite3", "-bail", database.removeprefix("sqlite:"), text], check=True)
    else:
        subprocess.run(["psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", "-c", text, database], check=True)


def cpu_seconds(server):
    total = 0
    for path in glob.glob(f"/proc/{server.process.pid}/task/*/schedstat"):
        with open(path) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def ask_all(server, learners):
    """Milliseconds of each call, the server's CPU for each, and the replies."""
    took, cpu, replies = [], [], []
    for learner in learners:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.connect()
        before = cpu_seconds(server)
        begin = time.monotonic()
        connection.request("POST", "/api/analytics/predictions/generate", json.dumps({"userId": learner}),
                           {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        took.append((time.monotonic() - begin) * 1e3)
        cpu.append((cpu_seconds(server) - before) * 1e3)
        assert reply.status == 201, text
        replies.append(text)
        connection.close()
    return took, cpu, replies


def report(engine, what, took, cpu):
    say(f"forecasts {engine} {what}", cpu_ms=middle(cpu), median_ms=middle(took), p95_ms=sorted(took)[len(took) * 95 // 100],
        least_ms=min(took))


def measure(options, engine, postgres, folder):
    rng = random.Random(1)
    learners = [f"learner-{i}" for i in range(options.learners)]
    database = fresh_database(postgres, folder, "forecasts")
    now = time.time()
    run(DOPPEL, "import", "catalog", write(os.path.join(folder, "catalogue"), catalogue()), "--database", database)
    first = now - (DAYS_BEFORE + 1) * 86400
    run(DOPPEL, "import", "events", write(os.path.join(folder, "events"), (
        event(rng, x, first + n * DAYS_BEFORE * 86400 / ANSWERS, n) for x in learners for n in range(ANSWERS))),
        "--database", database)
    night(folder, engine, database, len(learners), float("inf"))
    made = ["--cache-bytes-max", "0", "--no-night"]
    for day in range(1, options.days + 1):
        let_a_day_pass(database)
        run(DOPPEL, "import", "events", write(os.path.join(folder, "events"), (
            event(rng, x, now - 7200 + 600 * day + k, ANSWERS + options.more * day + k)
            for x in learners for k in range(options.more))), "--database", database)
        with Server(folder, database, *made) as server:
            took, cpu, replies = ask_all(server, learners)
            report(engine, f"first call of day {day}", took, cpu)
            took, cpu, _ = ask_all(server, learners)
            report(engine, f"again on day {day}", took, cpu)
    if options.folder:
        os.makedirs(options.folder, exist_ok=True)
        for learner, text in zip(learners, replies):
            with open(os.path.join(options.folder, f"{engine}-{learner}"), "wb") as f:
                f.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", help="URL of a server on which databases may be made and dropped")
    parser.add_argument("--learners", type=int, default=40)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--more", type=int, default=40, help="answers of each learner a day")
    parser.add_argument("--engine", choices=["both", "sqlite", "postgresql"], default="both")
    parser.add_argument("--folder", help="where the last day's replies go")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="doppel-bench-")
    try:
        for engine, postgres in (("sqlite", None), ("postgresql", options.postgres)):
            if (engine == "sqlite" or postgres) and options.engine in ("both", engine):
                measure(options, engine, postgres, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
