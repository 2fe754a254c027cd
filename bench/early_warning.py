#!/usr/bin/env python3
"""How good the early warning is that a server gives by itself, by the Open University's assessments:

    bench/early_warning.py FOLDER [--postgres URL] [--a-year-apart] [--by-work-alone]

FOLDER holds assessment.csv.gz, course.csv.gz, student.csv.gz, student_assessment.csv.gz and
student_registration.csv.gz; where they are not, nothing is done. They are imported as docs/import.md says, the
night looks at all runs, and each learner of the runs of 2014 is asked about over HTTP. What the answers say of days
30, 60 and 120 is held against how the runs ended: the area under the curve. Forecasts of a day go by what was
known on that day. --a-year-apart lets the runs of 2013 begin a year earlier, so that all have ended before any of
2014 begins, as the evaluation supposes (doppel evaluate). --by-work-alone reads what the server keeps beside: the
same without the course's runs and the learner's others.
"""
import argparse
import csv
import gzip
import http.client
import json
import os
import sqlite3
import sys
import tempfile
import time

from run import DOPPEL, Server, fresh_database, run, say

FILES = ("assessment", "course", "student", "student_assessment", "student_registration")
DAYS = (30, 60, 120)


def path_of(folder, name):
    return os.path.join(folder, name + ".csv.gz")


def rows_of(folder, name):
    with gzip.open(path_of(folder, name), "rt", newline="") as f:
        yield from csv.DictReader(f)


def run_of(row):
    return row["code_module"] + "/" + row["code_presentation"]


def begins(presentation, apart):
    year = int(presentation[:4]) - (apart and presentation.startswith("2013"))
    return "%d-%s-01" % (year, "02" if presentation.endswith("B") else "10")


def catalogue(folder, apart):
    for row in rows_of(folder, "assessment"):
        if row["assessment_type"] != "Exam" and row["date"] != "NA":
            yield {"type": "piece", "run": run_of(row), "piece": row["id_assessment"], "dueDay": int(row["date"]),
                   "weight": float(row["weight"]), "quiz": row["assessment_type"] == "CMA"}
    for row in rows_of(folder, "course"):
        yield {"type": "run", "run": run_of(row), "course": row["code_module"],
               "begins": begins(row["code_presentation"], apart), "days": int(row["module_presentation_length"])}


def bring_in(folder, database, apart):
    origins = ",".join("%s=%s" % (p, begins(p, apart)) for p in ("2013B", "2013J", "2014B", "2014J"))
    for preset, file, join in (
            ("registrations", "student_registration", "student:code_module,code_presentation,id_student"),
            ("withdrawals", "student_registration", None), ("assessments", "student_assessment", "assessment:id_assessment"),
            ("results", "student", "course:code_module,code_presentation")):
        more = []
        if join:
            table, columns = join.split(":")
            more = ["--join", path_of(folder, table) + ":" + columns]
        run(DOPPEL, "import", "csv", "--preset", "oulad-" + preset, "--origin-values", origins, *more,
            path_of(folder, file), "--database", database)
    run(DOPPEL, "import", "catalog", "-", "--database", database,
        input="\n".join(map(json.dumps, catalogue(folder, apart))))


def ask(options, database, text):
    if options.postgres:
        return [line.split("|", 1) for line in run("psql", "-qAt", "-F", "|", database, "-c", text).splitlines()]
    db = sqlite3.connect("file:%s?mode=ro" % database.split(":", 1)[1], uri=True)
    with db:
        return db.execute(text).fetchall()


def area(pairs):
    """Of the curve of (forecast, outcome): how often a bad end had the higher risk; level ones half."""
    pairs.sort()
    bad, ranks, i = sum(y for _, y in pairs), 0.0, 0
    while i < len(pairs):
        level = i
        while level < len(pairs) and pairs[level][0] == pairs[i][0]:
            level += 1
        ranks += sum(y for _, y in pairs[i:level]) * (i + 1 + level) / 2
        i = level
    return (ranks - bad * (bad + 1) / 2) / bad / (len(pairs) - bad)


def forecasts(options, database, server, truth):
    """(run, day, forecast, outcome) of all there were on the day."""
    if options.by_work_alone:
        for learner_run, marks in ask(options, database, "SELECT l.external_id || ' ' || k.run, k.marks FROM run_risks k "
                                                         "JOIN learners l ON l.learner_id = k.learner_id"):
            learner, name = learner_run.split(" ")
            yield from ((name, day, bare, truth[learner, name]) for day, _, bare in json.loads(marks)
                        if (learner, name) in truth)
        return
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for (learner, name), bad in truth.items():
        connection.request("GET", "/api/analytics/early-warning?userId=%s&courseId=%s" % (learner, name.replace("/", "%2F")))
        reply = connection.getresponse()
        body = json.loads(reply.read())
        if reply.status == 404:  # in neither file: never registered, and handed nothing in
            continue
        yield from ((name, mark["day"], mark["risk"], bad) for mark in body["data"]["setWork"]["history"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--postgres", help="URL of a server on which databases may be made")
    parser.add_argument("--a-year-apart", action="store_true")
    parser.add_argument("--by-work-alone", action="store_true")
    options = parser.parse_args()
    if not all(os.path.exists(path_of(options.folder, name)) for name in FILES):
        sys.exit("%s does not hold the data set: nothing was done" % options.folder)
    truth = {(row["id_student"], run_of(row)): row["final_result"] in ("Fail", "Withdrawn")
             for row in rows_of(options.folder, "student") if row["code_presentation"].startswith("2014")}
    with tempfile.TemporaryDirectory(prefix="doppel-bench-") as folder:
        database = fresh_database(options.postgres, folder, "early_warning")
        begin = time.monotonic()
        bring_in(options.folder, database, options.a_year_apart)
        say("imported", seconds=time.monotonic() - begin)
        begin = time.monotonic()
        with Server(folder, database) as server:
            while int(ask(options, database, "SELECT count(*), 0 FROM course_runs WHERE next_at = 0")[0][0]) > 0:
                if time.monotonic() - begin > 600:
                    sys.exit("the runs were never looked at")
                time.sleep(0.5)
            say("looked", seconds=time.monotonic() - begin)
            found = list(forecasts(options, database, server, truth))
        for part in ("2014", "2014B", "2014J"):
            for day in DAYS:
                pairs = [(p, bad) for name, d, p, bad in found if d == day and name.split("/")[1].startswith(part)]
                say("early warning", runs=part, day=day, n=len(pairs), auc="%.4f" % area(pairs))


if __name__ == "__main__":
    main()
