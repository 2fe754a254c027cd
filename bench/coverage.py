#!/usr/bin/env python3
"""The table "Simulated classes" of docs/models.md: what the server answers, against what is true.

    bench/coverage.py [--learners N] [--days D] [--seed S] [--folder FOLDER] [CLASS...]

Simulates classes of learners whose truth is known, brings their events into a database, lets a server's
nights run, reads the answers over HTTP and compares each reported interval with the truth. Classes: all
(every effect there is, each in some learners) and none (nobody has any). Prints tab-separated lines
`class quantity measure value low high n`; low and high are 95 % Wilson intervals of shares.

    reported  share of the learners with the effect for whom it is reported
    coverage  share of these reports whose 95 % interval holds the truth (modality, preferredStudyTimes:
              that are right; sessionLength: that begin no later than fatigue)
    bias      mean of what is reported less what is true (half-life: of its logarithm)
    false     share of the learners without the effect for whom it is reported
    found     the same, where every class has something to be found

With --folder what was simulated and analysed stays there and is used again. Programs come from build/
(or $BUILD). 200 learners over 60 days are some 950,000 events and take about four minutes a class.
"""
import argparse
import datetime
import json
import math
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.request

from run import DOPPEL, Server, run

EFFECTS = "hour,fatigue,modality,overload,burnout"
NIGHT_SECONDS = 3600  # for all nights of a class


def wilson(k, n, z=1.959964):
    if n == 0:
        return math.nan, math.nan
    p, d = k / n, 1 + z * z / n
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d
    middle = (p + z * z / (2 * n)) / d
    return middle - half, middle + half


class Table:
    def __init__(self, name):
        self.name = name

    def line(self, quantity, measure, value, low, high, n):
        numbers = ["" if math.isnan(x) else f"{x:.3f}" for x in (value, low, high)]
        print(self.name, quantity, measure, *numbers, n, sep="\t", flush=True)

    def share(self, quantity, measure, k, n):
        self.line(quantity, measure, k / n if n else math.nan, *wilson(k, n), n)

    def mean(self, quantity, measure, values):
        n = len(values)
        mean = statistics.fmean(values) if n else math.nan
        half = 1.96 * statistics.stdev(values) / math.sqrt(n) if n > 1 else math.nan
        self.line(quantity, measure, mean, mean - half, mean + half, n)

    def judge(self, quantity, learners, distance=lambda a, b: a - b, holds=None):
        """learners: (truth or None, report or None); a report: (value, low, high)."""
        true = [(t, r) for t, r in learners if t is not None]
        none = [r for t, r in learners if t is None]
        both = [(t, r) for t, r in true if r]
        if true:
            self.share(quantity, "reported", len(both), len(true))
            self.share(quantity, "coverage", sum((holds or within)(t, r) for t, r in both), len(both))
            self.mean(quantity, "bias", [distance(r[0], t) for t, r in both])
        if none:
            self.share(quantity, "false", sum(r is not None for r in none), len(none))


def within(truth, report):
    return report[1] <= truth <= (math.inf if report[2] is None else report[2])


def on_clock(truth, report):
    """Hours; an interval may run over midnight."""
    return (truth - report[1]) % 24 <= (report[2] - report[1]) % 24


def around(a, b):
    return (a - b + 12) % 24 - 12


# ---- a class ----

def make(folder, args, name):
    path = lambda what: os.path.join(folder, f"{name}.{what}")
    if not os.path.exists(path("done")):
        for end in ("db", "db-wal", "db-shm"):
            if os.path.exists(path(end)):
                os.remove(path(end))
        without = ["--without", EFFECTS] if name == "none" else []
        run(DOPPEL, "simulate", "--learners", str(args.learners), "--days", str(args.days), "--seed", str(args.seed),
            "--start", args.start, "--out", path("ndjson"), "--truth", path("truth"), "--catalog", path("catalog"),
            *without)
        for kind, file in (("catalog", "catalog"), ("events", "ndjson")):
            run(DOPPEL, "import", kind, "--database", "sqlite:" + path("db"), path(file))
        os.remove(path("ndjson"))
    return path


def wait_for_nights(database):
    begin = time.monotonic()
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)
    while connection.execute("SELECT count(*) FROM learners WHERE night_at <= ?",
                             (time.time_ns() // 1000,)).fetchone()[0]:
        if time.monotonic() - begin > NIGHT_SECONDS:
            sys.exit("the nights do not end")
        time.sleep(1)
    connection.close()


def get(server, path, learner, more=""):
    url = f"http://127.0.0.1:{server.port}/api/analytics/{path}?userId={learner}{more}"
    with urllib.request.urlopen(url, timeout=120) as reply:
        body = json.load(reply)
    return body.get("data", body)


def answers(server, truth, args):
    end = datetime.date.fromisoformat(args.start) + datetime.timedelta(days=args.days + 1)
    for t in truth["learners"]:
        who = t["learner"]
        yield t, {
            "patterns": get(server, "patterns/all", who)["patterns"],
            "profile": get(server, "learning-profile", who)["profile"],
            "stress": get(server, "stress-profile", who),
            "stressors": get(server, "stress-patterns", who)["patterns"],
            "load": get(server, "cognitive-load/history", who, f"&startDate={args.start}&endDate={end}"),
        }


# ---- what is compared ----

def pattern(a, kind):
    return next((p for p in a["patterns"] if p["patternType"] == kind and p["present"]), None)


def interval(i):
    return (i["low"], i["high"]) if i else (math.nan, math.nan)


def best_hour(a):
    p = pattern(a, "OPTIMAL_STUDY_TIME")
    return p and (p["patternData"]["hourOfDay"], *interval(p["patternData"].get("hourInterval")))


def minutes(kind):
    def read(a):
        p = pattern(a, kind)
        d = p and p["patternData"]
        return p and (d["recommendedDuration"], *interval(d.get("interval")))
    return read


def fatigue(a):
    f = a["stress"]["fatigue"]
    return f["onsetMinutes"] and (f["onsetMinutes"], f["lowMinutes"], f["highMinutes"])


def half_life(a):
    e = a["profile"]["estimates"]["personalizedForgettingCurve"]
    return e["value"] and (e["value"], *interval(e["interval"]))


def optimal_duration(a):
    """Where it comes from fatigue, it has fatigue's interval of minutes; where from lengths, one of success."""
    e, f = a["profile"]["estimates"]["optimalSessionDuration"], a["stress"]["fatigue"]
    tired = "results fall" in e["method"]
    return e["value"] and (e["value"], *((f["lowMinutes"], f["highMinutes"]) if tired else (None, None)))


def true_half_life(t):
    """Of the exponential through the mean recall of the cards, as the profile defines it."""
    days = (1, 3, 7, 14, 30, 90)
    stabilities = [c["stabilityDays"] for c in t["cards"]]
    y = [math.log(statistics.fmean((1 + 19 / 81 * d / s) ** -.5 for s in stabilities)) for d in days]
    x0, y0 = statistics.fmean(days), statistics.fmean(y)
    slope = sum((d - x0) * (v - y0) for d, v in zip(days, y)) / sum((d - x0) ** 2 for d in days)
    return math.log(2) / -slope


def day(text):
    return datetime.date.fromisoformat(text).toordinal()


def episodes(t, found, edge):
    """Each true episode with the spell that overlaps it; without any: what is found is false."""
    def report(s):
        return day(s[edge]), day(s[edge + "Interval"]["low"]), day(s[edge + "Interval"]["high"])
    if not t["overload"]:
        return [(None, report(found[0]) if found else None)]
    return [(day(o[edge]), next((report(s) for s in found if s["from"] <= o["to"] and o["from"] <= s["to"]), None))
            for o in t["overload"]]


def compare(table, rows):
    table.judge("bestHour", [(t["hour"]["best"], best_hour(a)) for t, a in rows], around, on_clock)
    table.judge("fatigueTime", [(t["fatigue"]["fromMinute"], fatigue(a)) for t, a in rows])
    table.judge("attentionCycle", [(t["fatigue"]["fromMinute"], minutes("ATTENTION_CYCLE")(a)) for t, a in rows])
    # Lengths up to the onset of fatigue are all equally good: one that goes beyond is wrong.
    length = minutes("SESSION_DURATION_PREFERENCE")
    table.judge("sessionLength", [(t["optimalSessionMinutes"], length(a)) for t, a in rows],
                lambda value, t: max(0, value - t), lambda t, r: r[1] <= t)
    table.judge("forgettingHalfLife", [(true_half_life(t), half_life(a)) for t, a in rows],
                lambda a, b: math.log(a / b))
    modality = [(next((m for m, v in t["modalities"].items() if v > 0), None),
                 pattern(a, "CONTENT_TYPE_PREFERENCE")) for t, a in rows]
    table.judge("modality", [(t, p and (p["patternData"]["topContentType"],) * 3) for t, p in modality],
                lambda a, b: float(a != b), lambda t, r: t == r[0])
    windows = [(t["hour"]["best"], a["profile"]["preferredStudyTimes"]) for t, a in rows]
    table.judge("preferredStudyTimes", [(b, (w[0]["startHour"],) * 3 if w else None) for b, w in windows], around,
                lambda t, r: abs(around(r[0], t)) < 6)
    table.judge("optimalSessionDuration", [(t["optimalSessionMinutes"], optimal_duration(a)) for t, a in rows],
                lambda value, t: value - t, lambda t, r: within(t, r) if r[1] else r[0] <= t)
    spells = [(t, a["load"]["overload"]["spells"]) for t, a in rows]
    for edge, from_or_to in (("overloadFrom", "from"), ("overloadTo", "to")):
        table.judge(edge, [pair for t, found in spells for pair in episodes(t, found, from_or_to)])
    tolerance = [a["stress"]["loadTolerance"] for t, a in rows if not any_effect(t)]
    table.share("loadTolerance", "false", sum(x is not None for x in tolerance), len(tolerance))
    # Objectives do differ in difficulty, in every class: a pattern of one is no false finding.
    stressors = [[p["patternType"] for p in a["stressors"]] for t, a in rows if not any_effect(t)]
    topics = [[p for p in x if p in ("TOPIC_SPECIFIC", "DIFFICULTY_INDUCED")] for x in stressors]
    table.share("stressPatterns", "false", sum(len(x) > len(y) for x, y in zip(stressors, topics)), len(stressors))
    table.share("stressTopics", "found", sum(bool(x) for x in topics), len(topics))


def any_effect(t):
    return (t["hour"]["amplitude"] or t["fatigue"]["fromMinute"] or any(t["modalities"].values()) or t["overload"] or
            t["burnoutFrom"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=200)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", default="2025-01-06")
    parser.add_argument("--folder")
    parser.add_argument("classes", nargs="*", default=["all", "none"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="doppel-coverage-") as scratch:
        folder = args.folder or scratch
        os.makedirs(folder, exist_ok=True)
        print("class", "quantity", "measure", "value", "low", "high", "n", sep="\t", flush=True)
        for name in args.classes:
            path = make(folder, args, name)
            with Server(folder, "sqlite:" + path("db")) as server:
                wait_for_nights(path("db"))
                open(path("done"), "w").close()
                with open(path("truth"), encoding="utf-8") as f:
                    truth = json.load(f)
                rows = list(answers(server, truth, args))
            if args.folder:
                with open(path("answers"), "w", encoding="utf-8") as f:
                    json.dump(rows, f)
            compare(Table(name), rows)


main()
