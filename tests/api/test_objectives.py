"""Objectives one by one, how the learner does, and what comes first."""
import json
import unittest

from tests.api.harness import Server, both_engines, event, run
from tests.api.test_answers import at, date, text

CATALOG = [{"type": "course", "course": "c1", "name": "Anatomy"}, {"type": "course", "course": "c2", "name": "Law"}] + [
    {"type": "objective", "objective": "o%d" % i, "course": "c1", "name": "Objective %d" % i, "highYield": i == 3,
     "complexity": ("BASIC", "INTERMEDIATE", "ADVANCED")[i % 3]} for i in range(6)] + [
    {"type": "objective", "objective": "law", "course": "c2", "name": "Torts"},
    {"type": "prerequisite", "objective": "o5", "prerequisite": "o1", "strength": 0.9},
    {"type": "prerequisite", "objective": "o5", "prerequisite": "o2", "strength": 0.2},
    {"type": "item", "item": "card", "course": "c1", "objective": "o2"}]


@both_engines
class Objectives:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.stop()
        done = run("import", "catalog", "-", "--database", cls.store.url, stdin="\n".join(map(json.dumps, CATALOG)))
        assert done.returncode == 0, done.stderr
        cls.server = Server(cls.store.url).start()
        events = []
        for objective, right in ((0, 10), (1, 2), (2, 8)):
            events += [event("ann", "answer", at=text(at(3, 9, 10 * objective + k)), item="i%d" % k, correct=k < right,
                             objective="o%d" % objective, course="c1", durationMs=30000, session="s") for k in range(10)]
        events += [event("ann", "review", at=text(at(60, 9)), item="card", rating=3, objective="o2", course="c1")]
        cls.server.events(events + [event("bob", "activity"), event("eve", "answer", objective="o0", course="c1")])

    def get(self, path, learner="ann", **query):
        reply = self.server.get("/api" + path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_list(self):
        data = self.get("/objectives")
        self.assertEqual(([o["id"] for o in data["objectives"]], data["total"], data["nextCursor"]),
                         (["o%d" % i for i in range(6)], 6, None))
        o = {o["id"]: o for o in data["objectives"]}
        self.assertEqual((o["o0"]["n"], o["o0"]["correct"], o["o0"]["accuracy"], o["o0"]["totalStudyTimeMs"]), (10, 10, 1, 300000))
        self.assertGreater(o["o0"]["masteryProbability"], o["o2"]["masteryProbability"])
        self.assertGreater(o["o2"]["masteryProbability"], o["o1"]["masteryProbability"])
        self.assertLess(o["o1"]["masteryInterval"]["low"], o["o1"]["masteryProbability"])
        self.assertGreater(o["o1"]["masteryInterval"]["high"], o["o1"]["masteryProbability"])
        self.assertEqual((o["o1"]["masteryLevel"], o["o4"]["masteryLevel"]), ("BEGINNER", "NOT_STARTED"))
        self.assertEqual((o["o4"]["masteryProbability"], o["o4"]["masteryInterval"], o["o4"]["weaknessScore"]), (None,) * 3)
        self.assertEqual((o["o2"]["dueCards"], o["o3"]["isHighYield"], o["o3"]["objective"]), (1, True, "Objective 3"))
        self.assertEqual([x["id"] for x in self.get("/objectives", highYieldOnly="true")["objectives"]], ["o3"])
        self.assertEqual(self.get("/objectives", masteryLevel="NOT_STARTED")["total"], 3)
        empty = self.get("/objectives", courseId="c2")
        self.assertEqual((empty["objectives"], bool(empty["reason"])), ([], True))
        self.assertTrue(self.get("/objectives", "bob")["reason"])

    def test_pages(self):
        query = {"userId": "ann", "limit": 4}
        reply = self.server.get("/api/objectives", query=query)
        link = reply.headers["Link"]
        rest = self.server.get(link[1:link.index(">")]).json["data"]
        self.assertEqual([o["id"] for o in reply.json["data"]["objectives"] + rest["objectives"]], ["o%d" % i for i in range(6)])
        self.assertEqual((rest["total"], rest["nextCursor"]), (6, None))

    def test_one(self):
        data = self.get("/objectives/o5")
        self.assertEqual([(p["objectiveId"], p["strength"], p["met"]) for p in data["prerequisites"]],
                         [("o1", .9, False), ("o2", .2, True)])
        self.assertTrue(data["reason"])
        data = self.get("/objectives/o2")
        self.assertEqual([o["objectiveId"] for o in data["opens"]], ["o5"])
        self.assertEqual((data["cards"]["n"], data["cards"]["due"]), (1, 1))
        self.assertLess(data["cards"]["meanRecall"], .9)
        self.assertIsNone(data["forecast"])
        listed = next(o for o in self.get("/objectives")["objectives"] if o["id"] == "o2")
        self.assertEqual(data["objective"], listed)
        told = self.get("/objectives/o2/performance")
        self.assertEqual((told["masteryProbability"], told["cards"]), (listed["masteryProbability"], data["cards"]))
        law = self.get("/objectives/law")["objective"]
        self.assertEqual((law["objective"], law["n"], law["masteryLevel"]), ("Torts", 0, "NOT_STARTED"))

    def test_forecast(self):
        self.server.events([event("fay", "answer", at=text(at(2, 9, k)), item="i%d" % k, correct=k < 2, objective="o1", course="c1")
                            for k in range(12)])
        reply = self.server.post("/api/analytics/predictions/generate", {"userId": "fay"})
        self.assertEqual(reply.status, 201, reply)
        made = {p["learningObjectiveId"]: p for p in reply.json["data"]["predictions"]}["o1"]
        forecast = self.get("/objectives/o1", "fay")["forecast"]
        self.assertAlmostEqual(forecast["predictedStruggleProbability"], made["predictedStruggleProbability"], 3)
        told = self.get("/priorities/objectives/o1", "fay")
        self.assertIn("struggle_forecast", [r["code"] for r in told["reasons"]])
        # the mind knows the order of the answers: those of late count for more
        better = self.get("/objectives/o1", "fay")["objective"]["masteryProbability"]
        self.server.events([event("fay", "answer", at=text(at(1, 9, k)), item="j%d" % k, correct=True, objective="o1", course="c1")
                            for k in range(6)])
        self.assertGreater(self.get("/objectives/o1", "fay")["objective"]["masteryProbability"], better + .1)

    def test_weak_areas(self):
        data = self.get("/performance/weak-areas")
        self.assertEqual((data["weakAreas"][0]["id"], data["weakAreas"][0]["sure"], data["n"]), ("o1", True, 3))
        self.assertEqual(data["total"], len(data["weakAreas"]))
        self.assertEqual(self.get("/performance/weak-areas", courseId="c2")["weakAreas"], [])
        self.assertTrue(self.get("/performance/weak-areas", "bob")["reason"])

    def test_mastery_summary(self):
        data = self.get("/performance/mastery-summary")
        self.assertEqual((data["objectives"], data["n"], sum(data["levels"].values()), data["levels"]["NOT_STARTED"]), (6, 3, 6, 3))
        self.assertEqual([(c["courseId"], c["objectives"]) for c in data["byCourse"]], [("c1", 6)])
        self.assertEqual(data["dueCards"], 1)
        mean = sum(o["masteryProbability"] for o in self.get("/objectives")["objectives"][:3]) / 3
        self.assertAlmostEqual(data["meanMastery"], mean, delta=.002)
        self.assertIsNone(self.get("/performance/mastery-summary", "bob")["meanMastery"])

    def test_metrics(self):
        events = []
        for day in range(1, 11):  # five good days after five bad ones
            events += [event("gil", "answer", at=text(at(day, 10, k)), item="i%d" % k, correct=k < (9 if day <= 5 else 2),
                             durationMs=60000, session="g%d" % day) for k in range(10)]
        self.server.events(events)
        data = self.get("/performance/metrics", "gil", period="7d")
        self.assertEqual((data["from"], data["to"]), (date(6), date(0)))
        self.assertEqual((data["accuracy"]["n"], data["accuracy"]["beforeN"], data["activeDays"], data["activeDaysBefore"]),
                         (60, 40, 6, 4))
        self.assertAlmostEqual(data["accuracy"]["value"], 47 / 60, 4)
        self.assertEqual((data["accuracy"]["trend"], data["retention"]["value"], data["retention"]["trend"]), ("improving", None, None))
        self.assertGreater(data["accuracy"]["changeInterval"]["low"], 0)
        self.assertEqual([p["date"] for p in data["trends"]], [date(d) for d in range(6, 0, -1)])
        self.assertEqual((data["trends"][-1]["accuracy"], data["trends"][-1]["studyMinutes"]), (.9, 10))
        weeks = self.get("/performance/metrics", "gil", granularity="weekly")["trends"]
        self.assertEqual(sum(w["answers"] for w in weeks), 100)
        self.assertLessEqual(len(weeks), 3)
        self.assertTrue(self.get("/performance/metrics", "bob")["reason"])

    def test_tracking_switched_off(self):
        self.server.events([event("hal", "answer", objective="o1", course="c1")])
        reply = self.server.request("PATCH", "/api/user/profile", {"userId": "hal", "performanceTrackingEnabled": False})
        self.assertEqual(reply.status, 200, reply)
        for path in ("metrics", "weak-areas", "mastery-summary"):
            self.assertIn("tracking", self.get("/performance/" + path, "hal")["reason"])
        reply = self.server.request("PATCH", "/api/user/privacy", {"userId": "hal", "behavioralAnalysisEnabled": False})
        self.assertEqual(reply.status, 200, reply)
        for path in ("/performance/metrics", "/objectives", "/priorities/objectives"):
            self.assertIn("switched", self.get(path, "hal")["reason"])

    def test_priorities(self):
        data = self.get("/priorities/objectives")
        ids = [p["objective"]["id"] for p in data["priorities"]]
        self.assertEqual((len(ids), data["total"], [p["rank"] for p in data["priorities"]]), (6, 6, list(range(1, 7))))
        self.assertEqual(ids[-1], "o5")  # waits for o1, whatever it is worth
        last = data["priorities"][-1]
        self.assertEqual((last["blockedBy"], last["reasons"][0]["code"]), (["o1"], "waits"))
        scores = [p["priorityScore"] for p in data["priorities"][:-1]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        by = {p["objective"]["id"]: p for p in data["priorities"]}
        self.assertIn("opens", [r["code"] for r in by["o1"]["reasons"]])
        self.assertIn("weak", [r["code"] for r in by["o1"]["reasons"]])
        self.assertIn("due_cards", [r["code"] for r in by["o2"]["reasons"]])
        self.assertIn("high_yield", [r["code"] for r in by["o3"]["reasons"]])
        self.assertGreater(ids.index("o0"), ids.index("o1"))
        for p in by.values():
            self.assertAlmostEqual(p["gain"], (p["toLearn"] + p["toKeep"]) * p["factor"], 3)
        one = self.get("/priorities/objectives/o1")
        self.assertEqual({k: v for k, v in one.items() if k not in ("total", "method")}, by["o1"])

    def test_exams_press(self):
        # in one session: how many an objective was met in counts for the minutes that it takes
        self.server.events([event("ida", "answer", at=text(at(3, 9, k)), item="i%d" % k, correct=bool(k % 2), objective=objective,
                                  course=course, session="s") for k in range(8) for objective, course in (("o0", "c1"), ("law", "c2"))])

        def ranks():
            return {p["objective"]["id"]: p for p in self.get("/priorities/objectives", "ida")["priorities"]}
        before = ranks()
        self.assertLess(before["o0"]["rank"], before["law"]["rank"])  # basic: less time for as much
        self.assertEqual({p["daysUntilExam"] for p in before.values()}, {None})
        for name, day, course in (("far", 20, "c2"), ("past", -1, "c2"), ("Torts I", 0, "c2"), ("all", 12, None)):
            body = {"userId": "ida", "name": name, "date": date(-day)} | ({"courseId": course} if course else {})
            reply = self.server.post("/api/orchestration/exams", body)
            self.assertEqual(reply.status, 201, reply)
        after = ranks()
        self.assertEqual((after["law"]["daysUntilExam"], after["law"]["exam"], after["law"]["factor"]), (0, "Torts I", 2))
        self.assertEqual((after["o0"]["daysUntilExam"], after["o0"]["exam"], after["o0"]["factor"]), (12, "all", 1.1429))
        self.assertLess(after["law"]["rank"], after["o0"]["rank"])
        self.assertAlmostEqual(after["law"]["gain"], 2 * before["law"]["gain"], 3)
        self.assertIn(("exam", "An exam that it is on (all) comes in 12 days."),
                      [(r["code"], r["text"]) for r in after["o0"]["reasons"]])
        chosen = self.server.get("/api/learning/mission/preview", query={"userId": "ida", "date": date(0)}).json["data"]["objectives"]
        self.assertIn("An exam that it is on (Torts I) is on that day.", {o["objectiveId"]: o["reasons"] for o in chosen}["law"])

    def test_refusals(self):
        for path in ("/objectives/none", "/objectives/none/performance", "/priorities/objectives/law"):
            self.assertProblem(self.server.get("/api" + path, query={"userId": "ann"}), 404, "OBJECTIVE_NOT_FOUND")
        for path in ("/objectives", "/objectives/o1", "/objectives/o1/performance", "/performance/metrics", "/performance/weak-areas",
                     "/performance/mastery-summary", "/priorities/objectives", "/priorities/objectives/o1"):
            with self.subTest(path=path):
                self.assertProblem(self.server.get("/api" + path, query={"userId": "nobody"}), 404)
                self.assertProblem(self.server.get("/api" + path, query={"userId": "ann"}, key=self.key("read", learner="bob")), 404)
                self.assertProblem(self.server.get("/api" + path, query={"userId": "ann"}, key=self.key("ingest")), 403)
        for path, query in (("/objectives", {"limit": 0}), ("/objectives", {"limit": 101}), ("/objectives", {"masteryLevel": "GOOD"}),
                            ("/objectives", {"highYieldOnly": "perhaps"}), ("/objectives", {"cursor": "x"}), ("/objectives", {"courseId": ""}),
                            ("/performance/metrics", {"period": "1d"}), ("/performance/metrics", {"granularity": "yearly"}),
                            ("/performance/weak-areas", {"limit": "x"}), ("/priorities/objectives", {"limit": -1})):
            self.assertProblem(self.server.get("/api" + path, query={"userId": "ann", **query}), 400, field=next(iter(query)))


if __name__ == "__main__":
    unittest.main()
