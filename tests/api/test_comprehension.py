"""What is understood, what would help, how long it takes, and how likely it is."""
from tests.api.harness import both_engines, event
from tests.api.test_summaries import practice

PATTERNS, ADVICE = "/api/analytics/patterns", "/api/analytics/recommendations"
TIME, CHANCE = "/api/analytics/time-to-mastery/", "/api/analytics/success-probability/"


@both_engines
class Comprehension:
    flags = ("--no-night",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        send = cls.server.events
        for i in range(12):  # from 8 to 96 percent
            send(practice("ann", "o%d" % i, 2 + i, 50, 4 + 4 * i, confidence=.3 if i == 11 else .95 if i == 2 else None))
        send(practice("ann", "past", 200, 50, 10))
        for objective in range(4):  # each session better than the one before
            for k in range(8):
                send(practice("eve", "r%d" % objective, 25 - 3 * k, 10, 2 + k, hour=6 + objective))
        for d in range(3):
            send(practice("bob", "b%d" % d, d + 1, 10, 6))
        send([event("new", "activity"), event("off")])
        cls.server.request("PATCH", "/api/user/privacy", {"userId": "off", "behavioralAnalysisEnabled": False})

    def ask(self, learner="ann", **body):
        reply = self.server.post(PATTERNS, {"user_id": learner, **body})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def get(self, path, learner="ann", **query):
        reply = self.server.get(path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def test_strengths_and_weaknesses(self):
        data = self.ask()
        self.assertEqual((data["user_id"], data["objectives_analyzed"]), ("ann", 12))
        self.assertEqual([s["objective_id"] for s in data["strengths"]], ["o11"])
        self.assertEqual([s["objective_id"] for s in data["weaknesses"]], ["o0"])
        best = data["strengths"][0]
        self.assertAlmostEqual(best["percentile_rank"], 95.8, 1)
        self.assertTrue(85 < best["score"] <= 96 and best["n"] == 50)
        self.assertEqual([(i["objective_id"], i["category"]) for i in data["calibration_issues"]],
                         [("o2", "dangerous_gap"), ("o11", "underconfident")])
        self.assertAlmostEqual(data["calibration_issues"][0]["calibration_delta"], 71, 1)
        kinds = [i["category"] for i in data["ai_insights"]]
        self.assertEqual(kinds[:2], ["strength", "weakness"])
        for i in data["ai_insights"]:
            self.assertTrue(i["observation"] and i["action"] and .5 < i["confidence"] <= 1, i)
        self.assertEqual(self.ask(date_range="all")["objectives_analyzed"], 13)
        self.assertIn(self.ask(date_range="7d")["objectives_analyzed"], (5, 6))  # one is a week old, by the hour
        self.assertEqual(data["analysis_date_range"], sorted(data["analysis_date_range"]))

    def test_too_few_to_rank(self):
        data = self.ask("bob")
        self.assertEqual((data["strengths"], data["weaknesses"], data["objectives_analyzed"]), ([], [], 3))
        self.assertTrue(data["reason"])
        new = self.ask("new")
        self.assertEqual((new["needed"], new["ai_insights"]), ({"graded": 2}, []))
        self.assertIn("switched", self.ask("off")["reason"])

    def test_advice(self):
        data = self.get(ADVICE)
        self.assertEqual(data["daily_insight"]["priority_objective_id"], "o2")
        self.assertEqual(len(data["weekly_top3"]), 3)
        kinds = {i["intervention_type"]: i for i in data["interventions"]}
        self.assertEqual(kinds["more_failure_challenges"]["objectives"], 1)
        self.assertEqual(kinds["more_failure_challenges"]["estimated_time_hours"], .17)  # ten minutes
        self.assertEqual(kinds["foundational_review"]["priority"], "high")
        self.assertNotIn("immediate_review", kinds)
        self.assertEqual(data["time_estimates"][0]["objective_id"], "o0")
        self.assertTrue(all(t["current_score"] < 80 for t in data["time_estimates"]))
        self.assertTrue(0 <= data["exam_success_probability"] < .2)
        low, high = data["exam_success_interval"]["low"], data["exam_success_interval"]["high"]
        self.assertTrue(low <= data["exam_success_probability"] <= high)
        self.assertEqual(data["exam_objectives"], 13)
        asked = self.server.post(ADVICE, {"user_id": "ann", "period": "90d"}).json
        self.assertGreater(len(asked["time_estimates"]), len(data["time_estimates"]))
        thin = self.get(ADVICE, "new")
        self.assertEqual((thin["interventions"], thin["time_estimates"], thin["exam_success_probability"]), ([], [], None))
        self.assertTrue(thin["reason"])

    def test_time_to_mastery(self):
        data = self.get(TIME + "r1", "eve")
        self.assertIsNone(data["reason"])
        self.assertEqual((data["n"], data["lines"]), (80, 4))
        self.assertTrue(45 < data["current_score"] < 65)
        # seven tenths in the 80 minutes of these days
        self.assertTrue(35 < data["gain_per_hour"] < 70, data)
        self.assertAlmostEqual(data["hours_to_mastery"], (80 - data["current_score"]) / data["gain_per_hour"], 1)
        self.assertLess(data["hours_low"], data["hours_to_mastery"])
        self.assertAlmostEqual(data["weeks_to_mastery"], data["hours_to_mastery"] / (320 / 60 / 4), 0)
        self.assertGreater(self.get("/api/analytics/weekly-summary", "eve")[0]["estimated_hours"], 0)
        thin = self.get(TIME + "b1", "bob")
        self.assertEqual((thin["hours_to_mastery"], thin["gain_per_hour"]), (None, None))
        self.assertTrue(thin["reason"])
        self.assertEqual(self.get(TIME + "o11")["hours_to_mastery"], 0)

    def test_the_chance_rises_with_hours(self):
        seen = [self.get(CHANCE + "r1", "eve", planned_hours=h) for h in (0, .3, .6, 2)]
        chances = [s["probability"] for s in seen]
        self.assertEqual(chances, sorted(chances))
        self.assertEqual(chances[0], seen[0]["probability_now"])
        self.assertTrue(chances[0] < .05 and chances[-1] > .8, chances)
        one = seen[1]
        self.assertTrue(one["confidence_interval"]["low"] < one["expected_score"] < one["confidence_interval"]["high"])
        self.assertEqual([f["factor"] for f in one["contributing_factors"]], ["current_score", "gain_per_hour", "planned_hours"])
        self.assertEqual(self.get(CHANCE + "r1", "eve")["planned_hours"], 5)
        thin = self.get(CHANCE + "b1", "bob")
        self.assertIsNone(thin["probability"])
        self.assertTrue(thin["reason"])
        self.assertIsNotNone(thin["probability_now"])

    def test_why_there_is_nothing(self):
        self.server.events(practice("old", "o", 30, 10, 5) + [event("loose", objective=None)])
        self.assertIn("that time", self.ask("old", date_range="7d")["reason"])
        self.assertEqual(self.ask("old", date_range="all")["objectives_analyzed"], 1)
        self.assertIn("names an objective", self.get("/api/analytics/daily-insight", "loose")["reason"])

    def test_the_model_over_all_learners(self):
        path = "/api/analytics/model-performance/admin"
        data = self.server.get(path, key=self.key("admin")).json["data"]
        self.assertEqual((data["dataPoints"], data["needed"], data["accuracy"], data["abTests"]), (0, 30, None, []))
        self.assertEqual(sorted(f["feature"] for f in data["featureImportance"]), ["due", "level", "load", "memory", "skill"])
        self.assertTrue(all(f["change"] == 0 and f["standardDeviation"] > 0 for f in data["featureImportance"]))
        self.assertEqual((data["modelVersion"], data["totalPredictions"], data["lastUpdated"]), ("outlook-0", 0, None))
        self.assertProblem(self.server.get(path, key=self.key("read")), 403)

    def test_refusals(self):
        for path in (TIME, CHANCE):
            self.assertProblem(self.server.get(path + "nothing", query={"userId": "ann"}), 404, "OBJECTIVE_NOT_FOUND")
            self.assertProblem(self.server.get(path + "r1", query={"userId": "ann"}), 404, "OBJECTIVE_NOT_FOUND")
            self.assertProblem(self.server.get(path + "o1", query={"userId": "nobody"}), 404)
            self.assertProblem(self.server.get(path + "o1", query={"userId": "ann"}, key=self.key("read", learner="bob")), 404)
            self.assertProblem(self.server.get(path + "x" * 129, query={"userId": "ann"}), 400, field="objectiveId")
        for hours in ("-1", "201", "x", "", "nan", "inf"):
            self.assertProblem(self.server.get(CHANCE + "o1", query={"userId": "ann", "planned_hours": hours}), 400,
                               field="planned_hours")
        self.assertProblem(self.server.post(PATTERNS, {"user_id": "ann", "date_range": "2d"}), 400, field="date_range")
        self.assertProblem(self.server.post(PATTERNS), 400)
        self.assertProblem(self.server.post(PATTERNS, {"user_id": "nobody"}), 404)
        self.assertProblem(self.server.post(PATTERNS, {"user_id": "ann"}, key=self.key("read", learner="bob")), 404)
        self.assertProblem(self.server.post(PATTERNS, {"user_id": "ann"}, key=self.key("write")), 403)
        self.assertProblem(self.server.get(ADVICE, query={"userId": "ann", "period": "all"}), 400, field="period")
        self.assertProblem(self.server.post(ADVICE, {"userId": "ann", "period": 7}), 400, field="period")
        self.assertProblem(self.server.post(ADVICE, {"userId": "nobody"}), 404)
