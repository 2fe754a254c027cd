"""Early warning of whole runs of courses: learnt by the night from events and the catalogue."""
import json
import math
import urllib.parse

from tests.api.harness import both_engines, event, now, run, wait_until
from tests.api.test_answers import DAY, date, text

PATH = "/api/analytics/early-warning"
PIECES = ((10, 15, False), (25, 15, False), (40, 5, True), (60, 20, False), (95, 45, False))
MANY = 40


def plan(name, course, begins, days):
    return [{"type": "piece", "run": name, "piece": "%s-t%d" % (name, i), "dueDay": due, "weight": weight, "quiz": quiz}
            for i, (due, weight, quiz) in enumerate(PIECES)] + \
        [{"type": "run", "run": name, "course": course, "begins": date(begins), "days": days}]


def study(learner, name, begins, by, skill, day_left=None, passed=None):
    """What one learner does in a run that began so many days ago, until its day `by`."""
    def on(day):
        return text((now() - begins * DAY).replace(hour=12, minute=0, second=0) + day * DAY)

    out = [event(learner, "enrolled", at=on(-20), course=name, item=None,
                 data={"earlierAttempts": 0, "credits": 30, "education": "LEAVING"})]
    for i, (due, _, _) in enumerate(PIECES):
        handed = due - 3 + (i + skill) % 4
        if handed <= min(by, day_left or by) and skill > i % 4:
            out.append(event(learner, "assessment", at=on(handed), course=name, item="%s-t%d" % (name, i),
                             score=min(1, .3 + .07 * skill + .01 * (i % 3))))
    if day_left:
        out.append(event(learner, "withdrawn", at=on(day_left), course=name, item=None))
    if passed is not None:
        out.append(event(learner, "grade", at=on(by), course=name, item=None, correct=passed))
    return [{k: v for k, v in e.items() if v is not None} for e in out]


@both_engines
class CourseRisks:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done = run("import", "catalog", "-", "--database", cls.store.url, stdin="\n".join(map(json.dumps, (
            plan("bio-1", "bio", 300, 100) + plan("bio-2", "bio", 70, 100) + plan("law-1", "law", 70, 100) +
            plan("new-1", "new", 5, 100) + [{"type": "run", "run": "bare-1", "course": "bare", "begins": date(40), "days": 90}]))))
        assert done.returncode == 0 and "refused" not in done.stdout, done
        events = []
        for i in range(MANY):  # in the first run of bio the able ones fail, too: it is a hard course
            skill = i % 10
            events += study("old%d" % i, "bio-1", 300, 100, skill, 50 if i % 10 == 1 else None,
                            None if i % 10 == 1 else skill > 6)
            events += study("now%d" % i, "bio-2", 70, 69, skill, 40 if i == 11 else None)
            events += study("now%d" % i, "bare-1", 40, 39, 0)
            if i != 39:
                events += study("law%d" % i, "law-1", 70, 69, skill)
            events += study("old%d" % i, "law-1", 70, 69, skill) if i < 20 else []
        events += study("now0", "new-1", 5, 4, 3)
        cls.server.events(events)
        for name in ("bio-1", "bio-2", "law-1", "bare-1", "new-1"):
            cls.look(name)

    @classmethod
    def look(cls, name):
        """Asks for a look, and waits until it has been made."""
        reply = cls.server.post(PATH + "/look", {"courseId": name})
        assert reply.status == 202, reply
        wait_until(lambda: int(cls.store.query("SELECT next_at FROM course_runs WHERE run = '%s'" % name)[0][0]) > 0, 60, "the look")

    def risk(self, learner, name=None, **kw):
        reply = self.server.get(PATH, query={"userId": learner, **({"courseId": name} if name else {})}, **kw)
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]["setWork"]

    def test_who_does_less_is_at_greater_risk(self):
        none, some, all_ = (self.risk("now%d" % i, "bio-2") for i in (20, 24, 29))
        self.assertTrue(none["risk"] > some["risk"] > all_["risk"], (none["risk"], some["risk"], all_["risk"]))
        self.assertEqual((none["strongest"], none["course"], none["begins"], none["ended"]), ("missed", "bio", date(70), False))
        self.assertIn(none["day"], (69, 70))  # the last that is over
        self.assertEqual((none["landmark"], none["n"], none["reason"]), (60, len(PIECES), None))
        self.assertEqual(none["learners"], MANY - 1)  # one has left
        for r in (none, some, all_):
            self.assertEqual([p["reason"] for p in r["reasons"]], ["base", "missed", "late", "scores", "start", "course"])
            self.assertAlmostEqual(1 / (1 + math.exp(-sum(p["logOdds"] for p in r["reasons"]))), r["risk"], 4)
            self.assertEqual([m["day"] for m in r["history"]], [14, 30, 60])
            self.assertGreater(r["fittedOn"], 1000)

    def test_ended_runs_teach(self):
        bio, law = self.risk("now29", "bio-2"), self.risk("law29", "law-1")  # the same work
        self.assertEqual(bio["earlierLearners"], MANY - 4)  # on day 60 of it; four had left
        self.assertEqual((law["earlierLearners"], law["otherCourses"]), (0, 0))
        course = [dict((p["reason"], p["logOdds"]) for p in r["reasons"])["course"] for r in (bio, law)]
        self.assertGreater(course[0], course[1] + .05)
        self.assertIn("ended runs", bio["method"])
        self.assertIn("No ended run", law["method"])

    def test_other_courses_count(self):
        failed, unknown = self.risk("old5", "law-1"), self.risk("law5", "law-1")
        self.assertEqual((failed["otherCourses"], unknown["otherCourses"]), (1, 0))
        start = [dict((p["reason"], p["logOdds"]) for p in r["reasons"])["start"] for r in (failed, unknown)]
        self.assertGreater(start[0], start[1])  # failed bio, though the work was fair
        self.assertEqual(failed["fittedOn"], unknown["fittedOn"])

    def test_the_last_run_when_none_is_named(self):
        self.assertEqual(self.risk("now0")["courseId"], "new-1")
        self.assertEqual(self.risk("old0")["courseId"], "law-1")
        self.server.events([event("free", "activity")])
        self.assertIsNone(self.risk("free"))

    def test_why_there_is_none(self):
        early = self.risk("now0", "new-1")
        self.assertEqual((early["risk"], early["reasons"], early["history"]), (None, [], []))
        self.assertIn("early", early["reason"])
        self.assertIn(early["neededDays"], (9, 10))
        left = self.risk("now11", "bio-2")
        self.assertEqual((left["risk"], left["outcome"], [m["day"] for m in left["history"]]), (None, "LEFT", [14, 30]))
        self.assertIn("left", left["reason"])
        self.assertIn("no set work", self.risk("now3", "bare-1")["reason"])
        for name in ("never", "law-1"):
            self.assertIn("does not take", self.risk("now3", name)["reason"])
        over = self.risk("old7", "bio-1")
        self.assertEqual((over["ended"], over["outcome"], over["day"]), (True, "PASSED", 100))

    def test_nothing_is_learnt_twice(self):
        def kept():
            return self.store.query("SELECT course, ends, evidence, runs, learners FROM course_pasts ORDER BY course, ends")

        before, risks = kept(), self.list(limit=500).json["data"]["learners"]
        self.assertEqual([(r[0], int(r[3]), int(r[4])) for r in before], [("bio", 1, MANY)])
        for name in ("bio-1", "bio-2"):
            self.look(name)
        self.assertEqual((kept(), self.list(limit=500).json["data"]["learners"]), (before, risks))

    def test_told_along_uses_what_the_course_has_taught(self):
        tasks = [{"dueDay": 10, "handedDay": 9, "score": 80, "standing": .5, "cohortShare": .8, "weight": 15}]
        ask = {"userId": "now29", "day": 60, "tasks": tasks}
        known, unknown = (self.server.post(PATH, {**ask, "courseId": name}).json["data"] for name in ("bio-2", "never"))
        self.assertEqual((known["earlierLearners"], unknown["earlierLearners"]), (MANY - 4, 0))
        self.assertGreater(known["risk"], unknown["risk"])
        self.assertEqual(self.server.post(PATH, {**ask, "courseId": "law-1"}).json["data"]["earlierLearners"], 0)

    def list(self, **query):
        return self.server.get(PATH + "/learners", query={"courseId": "bio-2", **query})

    def test_a_teachers_list(self):
        whole = self.list(limit=500).json["data"]
        risks = [l["risk"] for l in whole["learners"]]
        self.assertEqual((whole["n"], len(risks), risks), (MANY - 1, MANY - 1, sorted(risks, reverse=True)))
        self.assertEqual((whole["earlierLearners"], whole["nextCursor"], whole["course"]), (MANY - 4, None, "bio"))
        first = whole["learners"][0]
        one = self.risk(first["userId"], "bio-2")
        self.assertEqual((one["risk"], one["strongest"]), (first["risk"], first["strongest"]))
        got, cursor = [], None
        while cursor or not got:
            reply = self.list(limit=7, **({"cursor": cursor} if cursor else {}))
            got += reply.json["data"]["learners"]
            cursor = reply.json["data"]["nextCursor"]
            self.assertEqual("Link" in reply.headers, cursor is not None)
            if cursor:
                self.assertIn(urllib.parse.quote(cursor, safe="."), reply.headers["Link"])
        self.assertEqual(got, whole["learners"])

    def test_rights_and_bad_input(self):
        one, all_ = self.key("read", learner="now1"), self.key("read")
        self.assertEqual(self.server.get(PATH + "/learners", query={"courseId": "bio-2"}, key=all_).status, 200)
        self.assertProblem(self.server.get(PATH + "/learners", query={"courseId": "bio-2"}, key=one), 403)
        self.assertProblem(self.server.get(PATH + "/learners", query={"courseId": "bio-2"}, key=self.key("ingest")), 403)
        self.assertProblem(self.server.get(PATH + "/learners", query={"courseId": "never"}), 404)
        self.assertProblem(self.server.get(PATH + "/learners"), 400, field="courseId")
        for field, bad in (("courseId", ""), ("courseId", "x" * 129), ("limit", 0), ("limit", 501), ("limit", "x"),
                           ("cursor", "x"), ("cursor", "1."), ("cursor", "y.z")):
            self.assertProblem(self.server.get(PATH + "/learners", query={"courseId": "bio-2", field: bad}), 400, field=field)
        self.assertEqual(self.list(cursor="500000.nobody").status, 200)
        self.assertProblem(self.server.get(PATH, query={"userId": "now1", "courseId": ""}), 400, field="courseId")
        self.assertEqual(self.risk("now1", "bio-2", key=one)["courseId"], "bio-2")
        self.assertProblem(self.server.get(PATH, query={"userId": "now2", "courseId": "bio-2"}, key=one), 404)
        self.assertProblem(self.server.post(PATH + "/look", {"courseId": "never"}), 404)
        self.assertProblem(self.server.post(PATH + "/look", {}), 400, field="courseId")
        self.assertProblem(self.server.post(PATH + "/look", {"courseId": 3}), 400, field="courseId")
        self.assertProblem(self.server.post(PATH + "/look", {"courseId": "bio-2"}, key=self.key("write")), 403)

    def test_what_a_learner_may_end(self):
        """Switched off, not counted, erased: the next look goes without them."""
        self.assertEqual(self.server.request("PATCH", "/api/user/privacy", {"userId": "law1", "behavioralAnalysisEnabled": False}).status, 200)
        self.assertEqual(self.server.request("PATCH", "/api/user/profile", {"userId": "law2", "includeInAnalytics": False}).status, 200)
        export = self.server.get("/api/analytics/export", query={"userId": "law3"}).json
        self.assertEqual(len(export["runRisks"]), 1)
        self.assertEqual(export["runWork"][0]["run"], "law-1")
        before = self.risk("law4", "law-1")["learners"]
        self.look("law-1")
        self.assertEqual(self.risk("law6", "law-1")["learners"], before - 2)  # law4's answer is kept for minutes
        self.assertIsNotNone(self.risk("law2", "law-1")["risk"])  # forecast, if nobody's cohort
        names = [l["userId"] for l in self.server.get(PATH + "/learners", query={"courseId": "law-1", "limit": 500}).json["data"]["learners"]]
        self.assertIn("law2", names)
        self.assertNotIn("law1", names)
        reply = self.server.get(PATH, query={"userId": "law1", "courseId": "law-1"}).json["data"]
        self.assertIn("switched", reply["reason"])
        self.assertIsNone(reply["setWork"])
        verified = run("rebuild", "--verify", "--database", self.store.url)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
