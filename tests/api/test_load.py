"""Cognitive load: calculated and kept, current, history."""
import unittest

from tests.api.harness import both_engines, event
from tests.api.test_answers import at, date, session, text

CALCULATE = "/api/analytics/cognitive-load/calculate"
CURRENT = "/api/analytics/cognitive-load/current"
HISTORY = "/api/analytics/cognitive-load/history"

L1 = {"responseLatencies": [2000, 2200, 2400, 2600, 2800], "errorRate": .3,
      "engagementMetrics": {"pauseCount": 5, "pauseDurationMs": 180000, "cardInteractions": 9},
      "performanceScores": [.9, .85, .8, .75, .7], "sessionDuration": 65,
      "baselineData": {"avgResponseLatency": 2000, "baselinePerformance": .9}}


def sample(learner, when, score, confidence=.9, session=None, indicators=()):
    e = event(learner, "load", session=session,
              data={"loadScore": score, "confidenceLevel": confidence, "stressIndicators": list(indicators)})
    return e | {"at": text(when)}


@both_engines
class Calculate:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events([event("ann", "activity"), event("new", "activity")])

    def post(self, data, learner="ann", **members):
        return self.server.post(CALCULATE, {"userId": learner, "sessionId": "s1", "behavioralData": data, **members})

    def test_vector(self):
        reply = self.post(L1)
        self.assertEqual(reply.status, 200, reply)
        r = reply.json
        self.assertIs(r["success"], True)
        self.assertAlmostEqual(r["loadScore"], 33.961538, 6)
        self.assertEqual((r["loadLevel"], r["overloadDetected"], r["confidenceLevel"]), ("LOW", False, 1))
        self.assertEqual([(s["type"], s["severity"]) for s in r["stressIndicators"]],
                         [("RESPONSE_LATENCY", "LOW"), ("ERROR_RATE", "LOW"), ("DURATION_STRESS", "MEDIUM")])
        self.assertEqual(r["baseline"]["source"], "request")
        self.assertIs(r["stored"], True)
        self.assertEqual((r["suggestedIntensity"], r["breakSchedule"], r["interventionId"]), ("HIGH", None, None))
        rows = self.store.query("SELECT count(*) FROM events WHERE id = '%s'" % r["eventId"])
        self.assertEqual(int(rows[0][0]), 1)
        current = self.server.get(CURRENT, query={"userId": "ann"}).json
        self.assertAlmostEqual(current["loadScore"], 33.961538, 6)
        self.assertEqual(current["stressIndicators"], r["stressIndicators"])
        self.assertEqual(current["timestamp"], r["timestamp"])

    def test_just_begun(self):
        r = self.post({"sessionDuration": 0, "engagementMetrics": {"pauseCount": 0, "pauseDurationMs": 0,
                                                                   "cardInteractions": 0}}, "new").json
        self.assertEqual((r["loadScore"], r["loadLevel"], r["baseline"]["source"]), (0, "LOW", "default"))
        self.assertAlmostEqual(r["confidenceLevel"], .336)

    def test_overload(self):
        r = self.post({"responseLatencies": [10000], "errorRate": 1, "performanceScores": [.1] * 5,
                       "engagementMetrics": {"pauseCount": 20, "pauseDurationMs": 600000, "cardInteractions": 0},
                       "sessionDuration": 120,
                       "baselineData": {"avgResponseLatency": 2000, "baselinePerformance": .9}}, "new").json
        self.assertAlmostEqual(r["loadScore"], 90.833333, 6)
        self.assertEqual((r["loadLevel"], r["overloadDetected"]), ("CRITICAL", True))
        self.assertGreater(len(r["recommendations"]), 2)
        self.assertEqual((r["suggestedIntensity"], r["breakSchedule"]["breakEvery"], r["breakSchedule"]["breakMinutes"]),
                         ("LOW", 0, 10))
        listed = self.server.get("/api/analytics/interventions", query={"userId": "new"}).json["data"]["interventions"]
        mine = [i for i in listed if i["id"] == r["interventionId"]]
        self.assertEqual([(i["interventionType"], i["priority"], i["status"]) for i in mine],
                         [("COGNITIVE_LOAD_REDUCE", 9, "PENDING")])
        applied = self.server.post("/api/analytics/interventions/%s/apply" % r["interventionId"], {"userId": "new"})
        self.assertEqual(applied.status, 200, applied)

    def test_learned_baseline(self):
        self.server.events(session("old", "a", at(2, 9), 30, 15, 12) + session("old", "b", at(3, 9), 30, 15, 12))
        r = self.post({"responseLatencies": [2500] * 5, "performanceScores": [.8] * 5, "sessionDuration": 10}, "old").json
        self.assertEqual((r["baseline"]["source"], r["baseline"]["latencySource"]), ("learned", "learned"))
        self.assertEqual(r["baseline"]["n"], 30)
        self.assertAlmostEqual(r["baseline"]["avgResponseLatency"], 2000, 1)
        self.assertAlmostEqual(r["baseline"]["baselinePerformance"], .8, 6)
        self.assertAlmostEqual(r["loadScore"], 15)  # a quarter slower than usual: 50 x .3
        self.assertAlmostEqual(r["confidenceLevel"], .9)

    def test_learned_without_times(self):
        self.server.events([event("deck", "answer", id="deck-%d" % i, item="i", skills=[], correct=i % 2 == 0) for i in range(30)])
        r = self.post(L1, "deck").json
        self.assertEqual((r["baseline"]["source"], r["baseline"]["latencySource"]), ("request", "request"))
        r = self.post({"sessionDuration": 10}, "deck").json
        self.assertEqual((r["baseline"]["source"], r["baseline"]["latencySource"]), ("learned", "default"))

    def test_unknown_learner(self):
        self.assertProblem(self.post(L1, "nobody"), 404)
        self.assertProblem(self.server.post(CALCULATE, {"userId": "ann", "sessionId": "s", "behavioralData": L1},
                                            key=self.key("write", learner="new")), 404)

    def test_not_allowed(self):
        self.server.events([event("shy", "activity")])
        self.server.request("PATCH", "/api/user/privacy", {"userId": "shy", "behavioralAnalysisEnabled": False})
        r = self.post(L1, "shy").json
        self.assertEqual((r["stored"], r["eventId"]), (False, None))
        self.assertTrue(r["reason"])
        self.assertIsNone(self.server.get(CURRENT, query={"userId": "shy"}).json["loadScore"])

    def test_bad_input(self):
        for field, data in (
                ("sessionDuration", {}), ("sessionDuration", {"sessionDuration": -1}),
                ("sessionDuration", {"sessionDuration": "5"}), ("sessionDuration", {"sessionDuration": 1441}),
                ("errorRate", {"sessionDuration": 5, "errorRate": 1.1}),
                ("errorRate", {"sessionDuration": 5, "errorRate": -.1}),
                ("responseLatencies[1]", {"sessionDuration": 5, "responseLatencies": [1, -1]}),
                ("responseLatencies[0]", {"sessionDuration": 5, "responseLatencies": [1e300]}),
                ("responseLatencies", {"sessionDuration": 5, "responseLatencies": [1] * 1001}),
                ("performanceScores[0]", {"sessionDuration": 5, "performanceScores": [1.5]}),
                ("pauseCount", {"sessionDuration": 5, "engagementMetrics": {"pauseDurationMs": 1, "cardInteractions": 1}}),
                ("pauseDurationMs", {"sessionDuration": 5, "engagementMetrics": {
                    "pauseDurationMs": -1, "cardInteractions": 1, "pauseCount": 1}}),
                ("baselinePerformance", {"sessionDuration": 5, "baselineData": {
                    "avgResponseLatency": 1, "baselinePerformance": 2}})):
            with self.subTest(field=field, data=str(data)[:80]):
                self.assertProblem(self.post(data), 400, field=field)
        self.assertProblem(self.server.post(CALCULATE, {"userId": "ann", "behavioralData": L1}), 400, field="sessionId")
        self.assertProblem(self.server.post(CALCULATE, {"userId": "ann", "sessionId": "s"}), 400, field="behavioralData")
        self.assertProblem(self.server.post(CALCULATE, {"sessionId": "s", "behavioralData": L1}), 400, field="userId")


@both_engines
class Current:
    def get(self, learner):
        reply = self.server.get(CURRENT, query={"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def test_no_data(self):
        self.server.events([event("new", "activity")])
        r = self.get("new")
        for member in ("loadScore", "loadLevel", "timestamp", "trend", "confidenceLevel", "ageSeconds", "method"):
            self.assertIsNone(r[member], member)
        self.assertEqual((r["stressIndicators"], r["sessionActive"], r["stale"]), ([], False, False))
        self.assertEqual(r["needed"], {"loadSamples": 1, "graded": 5})

    def test_levels_and_trends(self):
        for learner, scores, level, trend in (("a", [25], "LOW", "stable"), ("b", [60, 75], "HIGH", "up"),
                                              ("c", [60, 45], "MODERATE", "down"), ("d", [60, 65], "HIGH", "stable"),
                                              ("e", [60, 85], "CRITICAL", "up")):
            with self.subTest(learner):
                self.server.events([sample(learner, at(2, 10 + i), s) for i, s in enumerate(scores)])
                r = self.get(learner)
                self.assertEqual((r["loadScore"], r["loadLevel"], r["trend"]), (scores[-1], level, trend))
                self.assertTrue(r["stale"])
                self.assertGreater(r["ageSeconds"], 3600)
                self.assertEqual(r["method"], "legacy-v1")

    def test_same_moment_is_not_earlier(self):
        self.server.events([sample("twin", at(2, 9), 20), sample("twin", at(2, 10), 60), sample("twin", at(2, 10), 60)])
        self.assertEqual(self.get("twin")["trend"], "up")

    def test_session_active(self):
        started = self.server.post("/api/learning/sessions", {"userId": "live"})
        self.assertProblem(started, 404)
        self.server.events([event("live", "activity")])
        name = self.server.post("/api/learning/sessions", {"userId": "live"}).json["data"]["session"]["id"]
        self.server.post(CALCULATE, {"userId": "live", "sessionId": name, "behavioralData": {"sessionDuration": 1}})
        r = self.get("live")
        self.assertEqual((r["sessionActive"], r["stale"], r["sessionId"]), (True, False, name))
        self.server.request("PATCH", "/api/learning/sessions/%s/complete" % name, query={"userId": "live"})
        self.assertFalse(self.get("live")["sessionActive"])

    def test_estimate_from_sessions(self):
        self.server.events(session("imp", "a", at(3, 9), 30, 20, 20) + session("imp", "b", at(2, 9), 100, 10, 5) +
                           session("imp", "c", at(1, 9), 10, 4, 0))  # the last has too few answers
        r = self.get("imp")
        self.assertEqual((r["method"], r["sessionId"]), ("session-estimate", "b"))
        # errors .5 x 25 + duration 25 x .1; no pauses, latency as always; before: 0
        self.assertAlmostEqual(r["loadScore"], 15)
        self.assertEqual(r["trend"], "up")
        self.assertEqual(r["baseline"]["source"], "learned")
        self.assertEqual({s["type"] for s in r["stressIndicators"]}, {"ERROR_RATE", "DURATION_STRESS"})
        self.assertAlmostEqual(r["confidenceLevel"], .8)


@both_engines
class History:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events([sample("ann", at(3, 10, 0), 85), sample("ann", at(3, 10, 10), 70),
                           sample("ann", at(3, 10, 20), 55), sample("ann", at(2, 15, 0), 30),
                           sample("ann", at(20, 9), 90)])
        cls.server.events([event("new", "activity")])

    def get(self, learner="ann", **query):
        reply = self.server.get(HISTORY, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def test_raw(self):
        r = self.get(granularity="raw")
        self.assertEqual([p["loadScore"] for p in r["dataPoints"]], [85, 70, 55, 30])
        self.assertEqual(r["dataPoints"][0]["loadLevel"], "CRITICAL")
        s = r["summary"]
        self.assertEqual((s["avgLoad"], s["maxLoad"], s["totalDataPoints"]), (60, 85, 4))
        self.assertEqual(s["overloadEpisodes"], 1)
        self.assertEqual((s["episodes"][0]["durationMinutes"], s["episodes"][0]["peakLoad"]), (20, 85))
        self.assertFalse(s["episodes"][0]["open"])
        self.assertAlmostEqual(s["timeWeightedLoad"], (10 * 85 + 10 * 70 + 30 * 55 + 30 * 30) / 80)

    def test_hour_is_the_default(self):
        r = self.get()
        self.assertEqual(r["summary"]["granularity"], "hour")
        self.assertEqual([(p["timestamp"][:13], p["loadScore"], p["count"]) for p in r["dataPoints"]],
                         [(text(at(3, 10))[:13], 70, 3), (text(at(2, 15))[:13], 30, 1)])
        p = r["dataPoints"][0]
        self.assertEqual((p["minLoad"], p["maxLoad"]), (55, 85))
        self.assertAlmostEqual(p["p90Load"], 82)

    def test_day_and_week(self):
        r = self.get(granularity="day")
        self.assertEqual([p["timestamp"] for p in r["dataPoints"]],
                         [date(3) + "T00:00:00.000Z", date(2) + "T00:00:00.000Z"])
        r = self.get(granularity="week", startDate=date(30))
        self.assertEqual(sum(p["count"] for p in r["dataPoints"]), 5)
        self.assertEqual(r["summary"]["maxLoad"], 90)

    def test_empty(self):
        r = self.get("new")
        self.assertEqual(r["dataPoints"], [])
        s = r["summary"]
        self.assertEqual((s["avgLoad"], s["maxLoad"], s["overloadEpisodes"], s["totalDataPoints"]), (None, None, 0, 0))
        self.assertTrue(r["reason"])

    def test_estimates_where_nothing_was_measured(self):
        self.server.events(session("imp", "a", at(3, 9), 30, 20, 20) + session("imp", "b", at(2, 9), 100, 10, 5))
        r = self.get("imp", granularity="raw")
        self.assertEqual([(p["loadScore"], p["sessionId"]) for p in r["dataPoints"]], [(0, "a"), (15, "b")])
        self.assertEqual(r["summary"]["method"], "session-estimate")

    def test_overload_that_lasts(self):
        """Eight of forty days with answers that take a third longer."""
        def answers(learner, slow):
            for back in range(40, 0, -1):
                for i in range(12):
                    ms = 8000 + 137 * (back * 7 + i * 5) % 900
                    e = event(learner, "answer", item="q-%d" % i, correct=i % 3 > 0,
                              latencyMs=ms * 4 // 3 if back in slow else ms)
                    yield e | {"at": text(at(back, 9, i))}
        slow = range(12, 20)
        events = [*answers("tired", slow), *answers("fresh", ())]
        for i in range(0, len(events), 480):
            self.server.events(events[i:i + 480])
        o = self.get("tired", startDate=date(30))["overload"]
        self.assertEqual((o["n"], len(o["spells"]), o["reason"]), (40, 1, None))
        spell = o["spells"][0]
        self.assertEqual((spell["from"], spell["to"], spell["days"], spell["open"]), (date(19), date(12), 8, False))
        self.assertEqual(spell["fromInterval"], {"low": date(19), "high": date(19)})
        self.assertAlmostEqual(spell["slower"], 1 / 3, 1)
        self.assertLess(spell["slowerInterval"]["low"], 1 / 3)
        self.assertLess(spell["pValue"], .001)
        # The days before the range say what is usual; spells that do not touch it are not shown.
        self.assertEqual(len(self.get("tired", startDate=date(15))["overload"]["spells"]), 1)
        late = self.get("tired", startDate=date(5))["overload"]
        self.assertEqual(late["spells"], [])
        self.assertIn("clearly slower", late["reason"])
        self.assertEqual(self.get("fresh", startDate=date(30))["overload"]["spells"], [])
        self.assertIn("Twenty days", self.get("new")["overload"]["reason"])
        self.server.request("PATCH", "/api/user/privacy", {"userId": "tired", "behavioralAnalysisEnabled": False})
        o = self.get("tired", startDate=date(30))["overload"]
        self.assertEqual((o["n"], o["spells"]), (0, []))
        self.assertIn("switched", o["reason"])

    def test_many_points_are_thinned(self):
        start = at(5, 0)
        events = [sample("many", start + i * (at(0, 0, 1) - at(0, 0, 0)), i % 50) for i in range(1500)]
        for i in range(0, len(events), 100):
            self.server.events(events[i:i + 100])
        r = self.get("many", granularity="raw")
        self.assertEqual(len(r["dataPoints"]), 1000)
        self.assertTrue(r["summary"]["downsampled"])
        self.assertEqual((r["summary"]["totalDataPoints"], r["summary"]["maxLoad"]), (1500, 49))
        stamps = [p["timestamp"] for p in r["dataPoints"]]
        self.assertEqual(stamps, sorted(stamps))

    def test_bad_input(self):
        for field, query in (("startDate", {"startDate": "yesterday"}), ("endDate", {"endDate": "2025-13-01"}),
                             ("startDate", {"startDate": "2025-02-02", "endDate": "2025-01-01"}),
                             ("granularity", {"granularity": "month"})):
            with self.subTest(query):
                self.assertProblem(self.server.get(HISTORY, query={"userId": "ann", **query}), 400, field=field)


if __name__ == "__main__":
    unittest.main()
