"""Patterns and what follows from them: found where they are, not found where they are not."""
import datetime
import json

from tests.api.harness import both_engines, event, now

PATTERNS, ALL, ANALYZE = "/api/analytics/patterns", "/api/analytics/patterns/all", "/api/analytics/patterns/analyze"
INSIGHTS = "/api/analytics/insights"


def days(learner, count, good, poor, answers=10, first=0):
    """Each day a session at nine with `good` of ten right, and others later with `poor`."""
    out = []
    for d in range(first, first + count):
        for hour, right in ((9, good), (12, poor), (16, poor), (20, poor)):
            start = now().replace(hour=0, minute=5, second=0) + datetime.timedelta(days=d - 90, hours=hour)
            # Which ones are right moves from day to day, and how many by one, so that chance has its place.
            right_now = min(answers, max(0, right + (d * 7 + hour) % 3 - 1))
            for i in range(answers):
                out.append(event(learner, "answer", at=(start + datetime.timedelta(minutes=i)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                                 id="%s-%d-%d-%d" % (learner, d, hour, i), session="%s-%d-%d" % (learner, d, hour),
                                 item="i%d" % i, skills=[], correct=(i * 3 + d) % answers < right_now, durationMs=60000))
    return out


@both_engines
class Patterns:
    def data(self, path, learner, **query):
        reply = self.server.get(path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def send(self, events):
        for i in range(0, len(events), 1000):
            self.server.events(events[i:i + 1000])

    def analyze(self, learner):
        reply = self.server.post(ANALYZE, {"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_a_morning_learner(self):
        self.send(days("lark", 60, 9, 5))
        self.assertIn("No analysis", self.data(PATTERNS, "lark")["reason"])
        made = self.analyze("lark")
        self.assertFalse(made["insufficientData"])
        found = {p["patternType"]: p for p in made["patterns"]}
        best = found["OPTIMAL_STUDY_TIME"]
        self.assertEqual(best["patternData"]["hourOfDay"], 9)
        self.assertEqual(best["metadata"], best["patternData"])
        self.assertGreater(best["confidence"], 0.8)
        self.assertGreater(best["patternData"]["effect"], 0.3)
        self.assertLess(best["patternData"]["pValue"], 0.025)
        self.assertIsNone(self.data(PATTERNS, "lark")["reason"])
        self.assertEqual([p["patternType"] for p in self.data(PATTERNS, "lark", patternType="CONTENT_TYPE_PREFERENCE")["patterns"]], [])
        self.assertEqual(self.data(PATTERNS, "lark", limit=1)["count"], 1)

        # Asked again without news: the same, and no more certain. With news: once a day.
        self.assertEqual(self.analyze("lark")["patterns"], made["patterns"])
        self.send(days("lark", 1, 9, 5, first=61))
        again = self.server.post(ANALYZE, {"userId": "lark", "forceReanalysis": True})
        self.assertProblem(again, 429, "ANALYZED_TODAY")
        self.assertGreater(int(again.headers["Retry-After"]), 3600)

        # The insight is shown until it is acknowledged; the first time counts.
        insights = self.data(INSIGHTS, "lark")
        insight = next(i for i in insights["insights"] if i["insightType"] == "STUDY_TIME_OPTIMIZATION")
        self.assertEqual(insight["supportingPatterns"][0]["userId"], "lark")
        path = INSIGHTS + "/%s/acknowledge" % insight["id"]
        first = self.server.request("PATCH", path, {"userId": "lark", "applied": True}).json["data"]["insight"]
        second = self.server.request("PATCH", path, {"userId": "lark"}).json["data"]["insight"]
        self.assertTrue(first["acknowledgedAt"] and first["applied"])
        self.assertEqual(first, second)
        self.assertNotIn(insight["id"], [i["id"] for i in self.data(INSIGHTS, "lark")["insights"]])
        self.send(days("thief", 1, 5, 5))
        self.assertProblem(self.server.request("PATCH", path, {"userId": "thief"}), 404, "INSIGHT_NOT_FOUND")

        # The export has them as these answers have, the acknowledged one, too.
        exported = self.server.get("/api/analytics/export", query={"userId": "lark"}).json
        shown = self.data(ALL, "lark")["patterns"]
        self.assertEqual([{k: v for k, v in p.items() if k != "linkedInsights"} for p in exported["patterns"]], shown)
        self.assertIn(first, exported["insights"])
        linked = {p["id"]: p["linkedInsights"] for p in exported["patterns"]}
        for i in exported["insights"]:
            self.assertIn(i["id"], linked[i["supportingPatterns"][0]["id"]])
        self.assertEqual(exported["metadata"]["totalPatterns"], len(shown))
        self.assertEqual(exported["metadata"]["totalInsights"], len(exported["insights"]))
        lines = self.server.get("/api/analytics/export", query={"userId": "lark", "format": "ndjson"}).body.splitlines()
        rows = [json.loads(line) for line in lines]
        self.assertEqual([r["row"] for r in rows if r.get("table") == "patterns"], exported["patterns"])
        self.assertEqual(rows[-1]["rows"], len(rows) - 2)

        gone = self.server.request("DELETE", ALL, query={"userId": "lark"}).json["data"]["deletedCounts"]
        self.assertEqual(gone["patterns"], len(made["patterns"]))
        self.assertEqual(self.data(ALL, "lark")["count"], 0)
        self.assertGreater(self.analyze("lark")["patterns"][0]["confidence"], 0.6)

    def test_nothing_where_there_is_nothing(self):
        self.send(days("even", 60, 7, 7))
        made = self.analyze("even")
        self.assertEqual(made["patterns"], [])
        self.assertFalse(made["insufficientData"])
        self.assertIn("chance", made["message"])

    def test_too_little(self):
        self.send(days("new", 2, 9, 5))
        made = self.analyze("new")
        self.assertTrue(made["insufficientData"])
        self.assertEqual(made["dataRequirements"], {"weeksNeeded": 0, "sessionsNeeded": 12, "reviewsNeeded": 20})
        self.assertEqual(self.data(PATTERNS, "new")["needed"], {"sessions": 12, "graded": 20})

    def test_refusals(self):
        self.send(days("ann", 1, 5, 5))
        for query in ({"minConfidence": "2"}, {"minConfidence": "x"}, {"limit": "0"}, {"limit": "101"}, {"patternType": "MOOD"}):
            self.assertProblem(self.server.get(PATTERNS, query={"userId": "ann", **query}), 400, field=list(query)[0])
        for method, path in (("GET", PATTERNS), ("GET", ALL), ("DELETE", ALL), ("GET", INSIGHTS)):
            self.assertProblem(self.server.request(method, path, query={"userId": "nobody"}), 404)
        self.assertProblem(self.server.post(ANALYZE, {"userId": "nobody"}), 404)
        self.assertProblem(self.server.post(ANALYZE, {"userId": "ann", "forceReanalysis": "yes"}), 400)
        self.assertProblem(self.server.request("PATCH", INSIGHTS + "/x/acknowledge", {"userId": "ann", "applied": 3}), 400)
        reader = self.key("read", learner="ann")
        self.assertProblem(self.server.post(ANALYZE, {}, key=reader), 403)
        self.assertProblem(self.server.get(PATTERNS, query={"userId": "bob"}, key=reader), 404)

    def test_analysis_switched_off(self):
        self.send(days("shy", 30, 9, 4))
        self.assertTrue(self.analyze("shy")["patterns"])
        self.server.request("PATCH", "/api/user/privacy", {"userId": "shy", "behavioralAnalysisEnabled": False})
        self.assertProblem(self.server.post(ANALYZE, {"userId": "shy"}), 403, "ANALYSIS_DISABLED")
        self.assertIn("switched", self.data(PATTERNS, "shy")["reason"])
        self.assertEqual(self.data(ALL, "shy")["patterns"], [])
