"""Early warning: by the learner's days, and by set work that is told along."""
import math

from tests.api.harness import both_engines, event
from tests.api.test_answers import NOW, at, date, text

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
                            if at(day, 10) <= NOW])
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
