"""Weeks of study beside results, and sessions beside each other."""
from tests.api.harness import both_engines, event, now
from tests.api.test_answers import at, session, text

CORRELATION = "/api/analytics/behavioral-insights/correlation"
PERFORMANCE = "/api/analytics/session-performance"


def week(learner, ago, days, right, of=20):
    """A whole week `ago` weeks before this one: study on its first `days` days, all answers on the first."""
    out = []
    for d in range(days):
        start = at(now().weekday() + 7 * ago - d, 10)
        out += session(learner, "%s-%d-%d" % (learner, ago, d), start, 30, of if d == 0 else 0, right if d == 0 else 0)
        if d:
            out.append(event(learner, "activity", at=text(start), durationMs=60000, session=None))
    return out


@both_engines
class Correlation:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # the more days, the better; not in the order of time
        plan = [3, 4, 5, 7, 3, 4, 2, 5, 3, 2, 2, 7]
        for ago, days in enumerate(plan, 1):
            cls.server.events(week("ann", ago, days, 4 + 2 * days - ago % 2))
        for ago in range(1, 5):
            cls.server.events(week("bob", ago, 2, 10))
        cls.server.events([event("off")])

    def get(self, learner="ann", **query):
        reply = self.server.get(CORRELATION, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_study_goes_with_results(self):
        data = self.get()
        self.assertGreater(data["coefficient"], .95)
        self.assertLess(data["pValue"], .001)
        low, high = data["confidenceInterval"]
        self.assertTrue(low < data["coefficient"] <= high <= 1)
        self.assertEqual(data["dataQuality"], {"sampleSize": 12, "weeksOfData": 12, "missingDataPoints": 0})
        self.assertEqual((data["metric"], data["academicMeasure"]), ("behavioral", "answers"))
        self.assertEqual(data["behavioralParts"], ["consistency", "completion"])
        self.assertIn("p=", data["interpretation"])
        self.assertGreaterEqual(len(data["insights"]), 3)
        points = data["timeSeriesData"]
        self.assertEqual(len(points), 12)
        self.assertEqual([p["date"] for p in points], sorted(p["date"] for p in points))
        last = points[-1]  # of the week before this one: three days of seven, all sessions completed
        self.assertEqual((last["behavioralScore"], last["academicScore"], last["n"]), (68, 45, 20))
        self.assertGreater(data["detrended"]["coefficient"], .9)
        self.assertGreater(data["rank"]["coefficient"], .9)

    def test_fewer_weeks(self):
        self.assertEqual(self.get(weeks=8)["dataQuality"]["sampleSize"], 8)
        self.assertEqual(self.get(weeks=52)["dataQuality"]["missingDataPoints"], 40)

    def test_missions(self):
        self.assertProblem(self.server.get(CORRELATION, query={"userId": "ann", "metric": "mission"}), 422,
                           "INSUFFICIENT_DATA")
        for ago in range(1, 10):
            day = at(now().weekday() + 7 * ago, 8)
            self.server.events(week("cid", ago, 2, 6 + 2 * (ago % 5)) + [
                event("cid", "mission_created", at=text(day), mission="m%d" % ago,
                      data={"date": day.date().isoformat(), "estimatedMinutes": 30,
                            "objectives": [{"objectiveId": "o%d" % i} for i in range(5)]})] +
                [event("cid", "objective_completed", at=text(day), mission="m%d" % ago, objective="o%d" % i)
                 for i in range(ago % 5)])
        data = self.get("cid", metric="mission")
        self.assertEqual(data["dataQuality"]["sampleSize"], 9)
        self.assertEqual(data["behavioralParts"], ["missions"])
        self.assertAlmostEqual(data["coefficient"], 1, 3)

    def test_thin_data_and_refusals(self):
        self.assertProblem(self.server.get(CORRELATION, query={"userId": "bob"}), 422, "INSUFFICIENT_DATA")
        for name, value in (("weeks", "7"), ("weeks", "53"), ("weeks", "many"), ("weeks", ""), ("metric", "mood")):
            with self.subTest(name=name, value=value):
                self.assertProblem(self.server.get(CORRELATION, query={"userId": "ann", name: value}), 400, field=name)
        self.assertProblem(self.server.get(CORRELATION, query={"userId": "nobody"}), 404)
        self.assertProblem(self.server.get(CORRELATION, query={"userId": "ann"}, key=self.key("read", learner="bob")), 404)
        self.assertProblem(self.server.get(CORRELATION, query={"userId": "ann"}, key=self.key("ingest")), 403)
        self.server.request("PATCH", "/api/user/privacy", {"userId": "off", "behavioralAnalysisEnabled": False})
        self.assertProblem(self.server.get(CORRELATION, query={"userId": "off"}), 403, "ANALYSIS_DISABLED")

    def test_sessions(self):
        self.server.events(session("dan", "d1", at(3, 6), 20, 10, 9) + session("dan", "d2", at(2, 13), 40, 10, 5) +
                           session("dan", "d3", at(1, 19), 60, 10, 7) + session("dan", "d4", at(1, 21), 5))
        reply = self.server.get(PERFORMANCE, query={"userId": "dan"})
        self.assertEqual(reply.status, 200, reply)
        data = reply.json
        self.assertEqual([(s["id"], s["duration"], s["performance"], s["timeOfDay"], s["n"]) for s in data["sessions"]],
                         [("d1", 20, 90, "morning", 10), ("d2", 40, 50, "afternoon", 10), ("d3", 60, 70, "evening", 10)])
        average = data["currentAverage"]
        self.assertEqual((average["duration"], average["performance"], average["n"]), (40, 70, 30))
        self.assertTrue(average["interval"]["low"] < 70 < average["interval"]["high"])
        self.assertIsNone(data["recommended"]["duration"])
        self.assertTrue(data["recommended"]["reason"])
        one = self.server.get(PERFORMANCE, query={"userId": "dan", "limit": 1}).json
        self.assertEqual([s["id"] for s in one["sessions"]], ["d3"])
        self.assertIsNone(one["reason"])

    def test_sessions_of_somebody_new(self):
        self.server.events([event("new", "activity")])
        data = self.server.get(PERFORMANCE, query={"userId": "new"}).json
        self.assertEqual((data["sessions"], data["currentAverage"]["duration"]), ([], None))
        self.assertTrue(data["reason"] and data["currentAverage"]["reason"])
        for limit in ("0", "201", "x"):
            self.assertProblem(self.server.get(PERFORMANCE, query={"userId": "new", "limit": limit}), 400, field="limit")

    def test_a_length_that_goes_best(self):
        for i in range(12):
            self.server.events(session("eve", "long%d" % i, at(30 - i, 9), 75, 20, 8) +
                               session("eve", "short%d" % i, at(30 - i, 15), 25, 20, 18))
        best = self.server.get(PERFORMANCE, query={"userId": "eve"}).json["recommended"]
        self.assertEqual(best["duration"], 25)
        self.assertGreater(best["performance"], 80)
        self.assertIsNone(best["reason"])
