"""Recommendations from patterns, and the patterns' history."""
from tests.api.harness import both_engines, event
from tests.api.test_answers import at, session
from tests.api.test_patterns import ALL, ANALYZE, days

RECOMMENDATIONS = "/api/analytics/behavioral-insights/recommendations"
EVOLUTIONS = ("/api/analytics/patterns/evolution", "/api/analytics/behavioral-insights/patterns/evolution")


@both_engines
class Recommendations:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for learner, count in (("lark", 50), ("new", 1)):
            events = days(learner, count, 9, 5)
            for i in range(0, len(events), 1000):
                cls.server.events(events[i:i + 1000])
        assert cls.server.post(ANALYZE, {"userId": "lark"}).status == 200

    def list(self, learner="lark", **query):
        reply = self.server.get(RECOMMENDATIONS, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def apply(self, id, learner="lark", **body):
        return self.server.post("%s/%s/apply" % (RECOMMENDATIONS, id), {"userId": learner, **body})

    def test_apply(self):
        before = self.list()
        made = next(r for r in before["recommendations"] if r["recommendationType"] == "STUDY_TIME_OPTIMIZATION")
        self.assertEqual((made["category"], made["status"], made["actionable"]), ("TIMING", "PENDING", True))
        self.assertAlmostEqual(made["priority"], made["confidence"] * made["estimatedImpact"])
        self.assertGreater(made["estimatedImpact"], 0.1)
        self.assertTrue(made["evidence"])
        self.assertProblem(self.apply(made["id"], applicationType="LATER"), 400, field="applicationType")
        self.assertProblem(self.apply(made["id"], applicationType="AUTO", settings=[1]), 400, field="settings")
        self.assertProblem(self.apply(made["id"], learner="new", applicationType="AUTO"), 404)
        self.assertProblem(self.apply("none", applicationType="AUTO"), 404)
        done = self.apply(made["id"], applicationType="MANUAL", settings={"startHour": 9}).json["data"]
        self.assertTrue(done["success"] and done["trackingId"])
        self.assertProblem(self.apply(made["id"], applicationType="AUTO"), 409, "ALREADY_APPLIED")
        self.assertNotIn(made["id"], [r["id"] for r in self.list()["recommendations"]])
        shown = next(r for r in self.list(includeApplied="true")["recommendations"] if r["id"] == made["id"])
        self.assertEqual((shown["status"], shown["applicationType"], shown["trackingId"]),
                         ("APPLIED", "MANUAL", done["trackingId"]))
        self.assertIsNone(shown["sinceApplied"])
        self.server.events(days("lark", 1, 9, 9, first=60))
        since = next(r for r in self.list(includeApplied="true")["recommendations"] if r["id"] == made["id"])["sinceApplied"]
        self.assertEqual(since["n"], 40)
        self.assertGreater(since["change"], 0)
        self.assertLess(since["interval"]["low"], since["change"])

    def test_thin(self):
        data = self.list("new")
        self.assertEqual(data["recommendations"], [])
        self.assertEqual(data["needed"], {"sessions": 16, "graded": 60})
        for query in ({"limit": 0}, {"limit": 21}, {"includeApplied": "maybe"}):
            self.assertProblem(self.server.get(RECOMMENDATIONS, query={"userId": "new", **query}), 400)
        self.assertProblem(self.server.get(RECOMMENDATIONS, query={"userId": "nobody"}), 404)

    def test_evolution(self):
        held = [p["id"] for p in self.server.get(ALL, query={"userId": "lark"}).json["data"]["patterns"]]
        for path in EVOLUTIONS:
            data = self.server.get(path, query={"userId": "lark", "weeks": 4}).json["data"]
            self.assertEqual([w["weekNumber"] for w in data["evolution"]], [1, 2, 3, 4])
            self.assertEqual([w["patterns"] for w in data["evolution"][:3]], [[], [], []])
            last = data["evolution"][3]["patterns"]
            self.assertEqual(sorted(p["id"] for p in last), sorted(held))
            self.assertEqual({p["status"] for p in last}, {"new"})
            self.assertEqual(data["meta"]["totalPatterns"], len(held))
            self.assertEqual(len(self.server.get(path, query={"userId": "lark"}).json["data"]["evolution"]), 12)
            for query in ({"weeks": 0}, {"weeks": 53}, {"weeks": "x"}, {"patternType": "MOOD"}):
                self.assertProblem(self.server.get(path, query={"userId": "lark", **query}), 400)
            self.assertProblem(self.server.get(path, query={"userId": "nobody"}), 404)

    def test_dashboard(self):
        path = "/api/analytics/behavioral-insights/dashboard"
        data = self.server.get(path, query={"userId": "lark"}).json["data"]
        self.assertTrue(data["patterns"])
        self.assertEqual(data["goals"], [])
        self.assertIsNone(data["metrics"]["retention"])  # nothing of the last 30 days
        self.assertTrue(data["estimates"]["retention"]["reason"])
        self.server.events(session("busy", "s1", at(1, 10), 30, 10, 8))
        data = self.server.get(path, query={"userId": "busy"}).json["data"]
        self.assertEqual(data["metrics"], {"consistency": 3, "focus": 100, "retention": 80, "efficiency": 50})
        # Where no session ever tells its end, as with imported reviews, none is known to have been left.
        self.server.events([event("deck", "answer", session="s%d" % (i // 5)) for i in range(20)])
        deck = self.server.get(path, query={"userId": "deck"}).json["data"]
        self.assertIsNone(deck["metrics"]["focus"])
        self.assertIn("ended", deck["estimates"]["focus"]["reason"])
        self.assertEqual(data["estimates"]["retention"]["n"], 10)
        self.assertTrue(data["reason"])
        self.assertProblem(self.server.get(path, query={"userId": "nobody"}), 404)
