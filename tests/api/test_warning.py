"""Early warning: by the learner's days, and by set work that is told along."""
import math

from tests.api.harness import Server, both_engines, event, now
from tests.api.test_answers import at, date, text
from tests.api.test_night import Nights

PATH = "/api/analytics/early-warning"


def task(due, handed=None, score=None, standing=None, **more):
    made = {"dueDay": due, "handedDay": handed, "score": score, "standing": standing, "cohortShare": .85, "weight": 10}
    return {k: v for k, v in {**made, **more}.items() if v is not None}


@both_engines
class Visits:
    def get(self, learner, **query):
        reply = self.server.get(PATH, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_the_longer_the_silence_the_higher_the_risk(self):
        self.server.events([event("daily", "activity", at=text(at(day, 10))) for day in range(30, -1, -1)
                            if at(day, 10) <= now()])
        self.server.events([event("gone", "activity", at=text(at(day, 10))) for day in (30, 29)])
        daily, gone = self.get("daily"), self.get("gone")
        self.assertEqual((daily["absent"], gone["absent"]), (False, True))
        self.assertEqual((daily["visitDays"], daily["visitDayShare"], gone["visitDays"]), (14, 1, 2))
        self.assertAlmostEqual(daily["longestSilenceDays"], 1, 1)
        self.assertAlmostEqual(gone["longestSilenceDays"], 12.5, 1)
        self.assertGreater(gone["risk"], daily["risk"] + .1)
        self.assertEqual((daily["longestGapDays"], daily["evenness"], gone["longestGapDays"]), (1, 1, 1))
        self.assertEqual((gone["windowStart"], gone["windowEnd"]), (date(30), date(17)))
        self.assertGreaterEqual(gone["daysSinceLastVisit"], 28)
        later = self.get("gone", courseStart=date(29))
        self.assertEqual((later["visitDays"], later["windowStart"]), (1, date(29)))
        self.assertEqual((later["longestGapDays"], later["evenness"]), (.5, None))
        never = self.get("gone", courseStart=date(27))
        self.assertEqual((never["visitDays"], never["longestGapDays"], never["evenness"]), (0, None, None))
        self.assertGreater(never["risk"], later["risk"])
        self.server.events([event("works", "activity", at=text(at(day, 10, i))) for day, n in ((30, 9), (29, 1))
                            for i in range(n)])
        works = self.get("works")
        self.assertLess(works["evenness"], gone["evenness"])
        self.assertLess(works["risk"], gone["risk"])

    def test_too_early_and_nothing(self):
        self.server.events([event("new", "activity", at=text(at(3, 10)))])
        r = self.get("new")
        self.assertEqual((r["risk"], r["neededDays"], r["windowStart"]), (None, 11, date(3)))
        self.assertTrue(r["reason"])
        self.assertEqual(self.get("new", courseStart=date(20))["visitDays"], 0)

    def test_bad_input_and_rights(self):
        self.server.events([event("ann", "activity"), event("bob", "activity")])
        for start in ("", "x", "2025-13-01", "1"):
            self.assertProblem(self.server.get(PATH, query={"userId": "ann", "courseStart": start}), 400, field="courseStart")
        self.assertProblem(self.server.get(PATH, query={"userId": "nobody"}), 404)
        self.assertProblem(self.server.get(PATH, query={"userId": "ann"}, key=self.key("read", learner="bob")), 404)
        self.assertProblem(self.server.get(PATH, query={"userId": "ann"}, key=self.key("ingest")), 403)
        self.server.request("PATCH", "/api/user/privacy", query={"userId": "bob"}, body={"behavioralAnalysisEnabled": False})
        self.assertIn("switched", self.get("bob")["reason"])


@both_engines
class SetWork:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events([event("ann", "activity"), event("bob", "activity")])

    def judge(self, tasks, day=70, **more):
        reply = self.server.post(PATH, {"userId": "ann", "day": day, "tasks": tasks, **more})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_what_it_is_made_of(self):
        good = self.judge([task(19, 18, 85, .6), task(54, 52, 80, .4)], registeredDay=-60, credits=1)
        poor = self.judge([task(19, 27, 35, -1.8), task(54, 60, 30, -2)], registeredDay=-60, credits=1)
        none = self.judge([task(19), task(54)], registeredDay=-60, credits=1)
        self.assertTrue(good["risk"] < poor["risk"] < none["risk"], (good["risk"], poor["risk"], none["risk"]))
        self.assertEqual(none["strongest"], "missed")
        for r in (good, poor, none):
            odds = sum(p["logOdds"] for p in r["reasons"])
            self.assertAlmostEqual(1 / (1 + math.exp(-odds)), r["risk"], 4)
            self.assertEqual(r["n"], 2)
            self.assertGreater(r["fittedOn"], 1000)

    def test_only_what_had_happened_counts(self):
        tasks = [task(19, 18, 85, .6), task(54, 52, 80, .4)]
        self.assertEqual(self.judge(tasks, 40)["risk"], self.judge([tasks[0], task(54)], 40)["risk"])

    def test_other_courses_and_those_who_left(self):
        tasks = [task(19, 18, 85, .6), task(54, 52, 80, .4)]
        plain = self.judge(tasks)
        passed = self.judge(tasks, otherCourses=[{"firstRisk": .4, "risk": 0}])
        failed = self.judge(tasks, otherCourses=[{"firstRisk": .4, "risk": 1}])
        self.assertTrue(passed["risk"] < plain["risk"] < failed["risk"])
        usual = self.judge(tasks, runBegan=1000, runLeft=60)
        fled = self.judge(tasks, runBegan=1000, runLeft=150)
        self.assertTrue(plain["risk"] < fled["risk"] and usual["risk"] < fled["risk"])
        odds = {p["reason"]: p["logOdds"] for p in fled["reasons"]}
        self.assertGreater(odds["course"], .2)
        self.assertEqual({p["reason"]: p["logOdds"] for p in plain["reasons"]}["course"], 0)

    def test_too_early(self):
        r = self.judge([], day=3)
        self.assertEqual((r["risk"], r["neededDays"], r["reasons"]), (None, 11, []))
        self.assertTrue(r["reason"])

    def test_nothing_is_kept(self):
        before = self.store.query("SELECT count(*) FROM events")
        self.judge([task(19)])
        self.assertEqual(self.store.query("SELECT count(*) FROM events"), before)

    def test_bad_input_and_rights(self):
        good = {"userId": "ann", "day": 70, "tasks": [task(19)]}
        for name, bad in (("day", None), ("day", "x"), ("day", 3651), ("tasks", None), ("tasks", {}), ("tasks", [1]),
                          ("tasks", [{}]), ("tasks", [task(19)] * 129), ("tasks", [{**task(19), "score": 101}]),
                          ("tasks", [{**task(19), "cohortShare": 2}]), ("tasks", [{**task(19), "weight": -1}]),
                          ("tasks", [{**task(19), "dueDay": None}]), ("earlierAttempts", -1), ("credits", -1),
                          ("education", "PHD"), ("registeredDay", "soon"), ("runBegan", -1), ("runLeft", 1),
                          ("otherCourses", [{"firstRisk": .4}]), ("otherCourses", [{"firstRisk": .4, "risk": 1.1}]),
                          ("otherCourses", [{"firstRisk": .4, "risk": 1}] * 65)):
            with self.subTest(name, bad=str(bad)[:60]):
                body = {k: v for k, v in {**good, name: bad}.items() if v is not None}
                self.assertProblem(self.server.post(PATH, body), 400, field=name)
        self.assertProblem(self.server.post(PATH, {**good, "userId": "nobody"}), 404)
        self.assertProblem(self.server.post(PATH, good, key=self.key("read", learner="bob")), 404)
        self.assertEqual(self.server.post(PATH, good, key=self.key("read", learner="ann")).status, 200)


@both_engines
class Cohorts:
    """Set work is told while no night can come, and counted when the first one does."""
    flags = ("--no-night",)
    MANY = 30
    night_at, wait_for_night = Nights.night_at, Nights.wait_for_night

    def tell(self, learner, course="AAA-2014", tasks=(), **kw):
        return self.server.post(PATH + "/work", {"userId": learner, "courseId": course, "tasks": list(tasks)}, **kw)

    def judge(self, learner, tasks, **more):
        return self.server.post(PATH, {"userId": learner, "day": 70, "courseId": "AAA-2014", "tasks": tasks, **more})

    def test_the_cohort_says_where_work_stands(self):
        names = ["l%02d" % i for i in range(self.MANY)]
        self.server.events([event(name, "activity") for name in names + ["out", "ann"]])
        self.assertEqual(self.server.request("PATCH", "/api/user/profile", {"userId": "out", "includeInAnalytics": False}).status, 200)
        for i, name in enumerate(names):  # the first task by all, the second by the better half
            work = [{"taskId": "t1", "handedDay": 10 + i // 10, "score": 40 + i}]
            work += [{"taskId": "t2", "handedDay": 40}] if i >= self.MANY // 2 else []
            reply = self.tell(name, tasks=[{"taskId": "gone", "handedDay": 1}])
            self.assertEqual((reply.status, reply.json["data"]), (200, {"courseId": "AAA-2014", "tasks": 1}))
            self.assertEqual(self.tell(name, tasks=work).status, 200)  # in the place of what was told before
        self.assertEqual(self.tell("out", tasks=[{"taskId": "t1", "handedDay": 1, "score": 100}]).status, 200)
        mine = [{"dueDay": 14, "handedDay": 12, "score": 40, "taskId": "t1", "weight": 20}, {"dueDay": 42, "taskId": "t2", "weight": 20}]
        self.assertProblem(self.judge("ann", mine), 400, field="tasks[0].cohortShare")  # nobody is counted yet
        cls = type(self)
        self.assertEqual(cls.server.stop(), 0)
        cls.server = Server(cls.store.url, dev=cls.dev).start()
        for name in names:
            self.wait_for_night(name)
        reply = self.judge("ann", mine)
        self.assertEqual(reply.status, 200, reply)
        data = reply.json["data"]
        self.assertEqual(data["cohort"], {"courseId": "AAA-2014", "learners": self.MANY, "tasks": 2, "reason": None})
        scores = [40 + i for i in range(self.MANY)]
        mean = sum(scores) / self.MANY
        sd = (sum((x - mean) ** 2 for x in scores) / self.MANY) ** .5
        told = [{**mine[0], "cohortShare": 1, "standing": (40 - mean) / sd, "scorePlace": 2.5 / 30, "dayPlace": 25 / 30},
                {**mine[1], "cohortShare": .5}]
        for t in told:
            del t["taskId"]
        same = self.judge("ann", told).json["data"]
        self.assertAlmostEqual(data["risk"], same["risk"], 5)
        self.assertEqual(same["cohort"]["reason"], "No task has a taskId.")
        kept = [{**mine[0], "standing": 2, "cohortShare": .1, "scorePlace": .9, "dayPlace": .1}, told[1]]
        self.assertLess(self.judge("ann", kept).json["data"]["risk"], data["risk"])  # what is told goes before
        self.server.request("PATCH", "/api/user/privacy", {"userId": names[0], "behavioralAnalysisEnabled": False})
        self.assertEqual(self.judge("ann", mine).json["data"]["cohort"]["learners"], self.MANY - 1)
        small = self.server.post(PATH, {"userId": "ann", "day": 70, "courseId": "none", "tasks": told}).json["data"]
        self.assertIn("twenty", small["cohort"]["reason"])

    def test_what_is_told_is_checked(self):
        self.server.events([event("bea", "activity"), event("cat", "activity")])
        piece = {"taskId": "t", "handedDay": 3}
        for field, tasks in (("tasks", [piece, piece]), ("tasks[0].handedDay", [{"taskId": "t"}]), ("tasks[0].handedDay", [{**piece, "handedDay": 4000}]),
                             ("tasks[0].score", [{**piece, "score": 101}]), ("tasks[0].taskId", [{"handedDay": 1}]), ("tasks", [piece] * 129)):
            with self.subTest(field=field):
                self.assertEqual(self.tell("bea", tasks=tasks).status, 400)
        self.assertProblem(self.tell("bea", course=""), 400, field="courseId")
        self.assertProblem(self.tell("nobody", tasks=[piece]), 404)
        self.assertProblem(self.tell("bea", tasks=[piece], key=self.key("read")), 403)
        self.assertProblem(self.tell("bea", tasks=[piece], key=self.key("write", learner="cat")), 404)
        for i in range(16):
            self.assertEqual(self.tell("bea", course="c%d" % i, tasks=[piece]).status, 200)
        self.assertProblem(self.tell("bea", course="more"), 409, "TOO_MANY_COURSES")
        self.assertEqual(self.tell("bea", course="c3").status, 200)
        data = self.server.get("/api/analytics/export", query={"userId": "bea"}).json
        self.assertEqual(len([w for w in data["setWork"] if w["task"] == "t"]), 15)
        self.server.request("PATCH", "/api/user/privacy", {"userId": "cat", "behavioralAnalysisEnabled": False})
        self.assertProblem(self.tell("cat", tasks=[piece]), 403, "ANALYSIS_DISABLED")
