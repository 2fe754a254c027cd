"""Sessions beside each other and against their plans."""
import unittest

from tests.api.harness import both_engines, event
from tests.api.test_answers import at, session, text

LIST = "/api/learning/sessions"


@both_engines
class Compare:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i, right in enumerate((10, 20, 30, 39)):
            cls.server.events(session("ann", "s%d" % i, at(9 - i, 9), 50, 40, right))
        plan = {"objectives": [{"objectiveId": "o1", "estimatedMinutes": 10}, {"objectiveId": "o2", "estimatedMinutes": 10}]}
        done = {"timeSpentMs": 1200000, "selfAssessment": 4, "confidenceRating": 2}
        cls.server.events(
            [event("ann", "session_started", at=text(at(2, 9)), session="plan", data=plan),
             event("ann", "objective_completed", at=text(at(2, 9, 20)), session="plan", objective="o1", data=done)] +
            [event("ann", "review", at=text(at(2, 9, 21 + i)), session="plan", item="c%d" % i, rating=1 + i, latencyMs=4000)
             for i in range(4)] +
            [event("ann", "answer", at=text(at(2, 9, 30 + i)), session="plan", item="q%d" % i, correct=i < 2, confidence=1)
             for i in range(5)] +
            [event("ann", "session_completed", at=text(at(2, 9, 40)), session="plan"),
             event("bob", "session_started", at=text(at(3, 9)), session="his"), event("new", "activity")])

    def get(self, path, learner="ann", **query):
        reply = self.server.get(LIST + path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_recent(self):
        data = self.get("/recent", limit=2)
        self.assertEqual([s["id"] for s in data["sessions"]], ["plan", "s3"])
        self.assertEqual(data["pagination"], {"limit": 2, "returned": 2})
        s = data["sessions"][0]["summary"]
        self.assertEqual((s["objectivesCompleted"], s["totalObjectives"], s["completionRate"]), (1, 2, 50))
        self.assertEqual((s["totalCards"], s["cardAccuracy"], s["averageSelfAssessment"]), (9, .5556, 4))
        self.assertEqual(s["timeBreakdown"], {"totalMs": 40 * 60000, "objectiveMs": 1200000, "cardMs": 16000})
        sums = data["aggregateStats"]
        self.assertEqual((sums["totalSessions"], sums["totalCardsReviewed"], sums["averageCardAccuracy"]),
                         (2, 49, round(44 / 49, 4)))
        empty = self.get("/recent", "new")
        self.assertEqual((empty["sessions"], empty["aggregateStats"]["averageCardAccuracy"]), ([], None))
        self.assertEqual(self.get("/recent", missionId="none")["sessions"], [])

    def test_compare(self):
        data = self.get("/compare", sessionIds="s3,s0,s1,s2")
        self.assertEqual([s["sessionId"] for s in data["sessions"]], ["s0", "s1", "s2", "s3"])
        accuracy = data["trends"]["cardAccuracy"]
        self.assertEqual((accuracy["trend"], accuracy["n"]), ("improving", 4))
        self.assertAlmostEqual(accuracy["change"], .73, delta=.03)
        self.assertAlmostEqual(accuracy["pValue"], 2 / 24, 3)
        self.assertEqual(data["trends"]["selfAssessment"]["trend"], "unknown")
        self.assertTrue(any("Accuracy rose from 25 % to 98 %" in s for s in data["improvements"]))
        two = self.get("/compare", sessionIds="s0,plan")
        self.assertEqual(two["sessions"][1]["cardsByRating"], {"again": 1, "hard": 1, "good": 1, "easy": 1})
        self.assertEqual((two["sessions"][1]["averageObjectiveTimeMs"], two["sessions"][1]["averageConfidenceRating"]),
                         (1200000, 2))
        self.assertIsNone(two["trends"]["cardAccuracy"]["pValue"])
        self.assertEqual(self.get("/compare", sessionIds="s1,s2")["trends"]["completionRate"]["trend"], "unknown")

    def test_compare_refuses(self):
        for ids in (None, "", "s0", "s0,s0", "s0,s1,s2,s3,plan,x", "s0,", "s0," + "x" * 129):
            with self.subTest(ids):
                query = {"userId": "ann"} | ({} if ids is None else {"sessionIds": ids})
                self.assertProblem(self.server.get(LIST + "/compare", query=query), 400, field="sessionIds")
        for ids in ("s0,none", "s0,his"):
            self.assertProblem(self.server.get(LIST + "/compare", query={"userId": "ann", "sessionIds": ids}), 404,
                               "SESSION_NOT_FOUND")
        for query in ({"limit": 0}, {"limit": 51}, {"limit": "x"}, {"missionId": ""}):
            self.assertProblem(self.server.get(LIST + "/recent", query={"userId": "ann", **query}), 400,
                               field=next(iter(query)))

    def test_analytics(self):
        data = self.get("/plan/analytics")
        first, second = data["objectives"]
        self.assertEqual((first["objectiveId"], first["timeSpentMinutes"], first["deltaMinutes"]), ("o1", 20, 10))
        self.assertEqual((second["timeSpentMinutes"], second["estimatedMinutes"], second["deltaMinutes"]), (None, 10, None))
        self.assertEqual(data["timeBreakdown"], {"totalActualMinutes": 20, "totalEstimatedMinutes": 20, "deltaMinutes": 10,
                                                 "deltaPercent": 100, "n": 1})
        self.assertEqual((data["cards"]["reviewed"], data["cards"]["answered"], data["cards"]["accuracy"]), (4, 5, 56))
        k = data["calibrationMetrics"]
        self.assertEqual((k["totalValidations"], k["bias"], k["brier"]), (5, 60, .6))
        self.assertLess(k["biasInterval"]["low"], 60)
        self.assertIn("More than half of the answers were overconfident.", data["insights"])
        self.assertEqual(self.get("/s0/analytics")["objectives"], [])
        for learner in ("bob", "nobody"):
            self.assertProblem(self.server.get(LIST + "/plan/analytics", query={"userId": learner}), 404)


if __name__ == "__main__":
    unittest.main()
