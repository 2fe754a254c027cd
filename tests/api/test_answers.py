"""Answers from the sums: study times, heatmap, topics, profile, burnout; by hand-computed values."""
import datetime
import unittest

from tests.api.harness import both_engines, event, now

UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)


def at(days_ago, hour, minute=0):
    """That time of a day before today, UTC."""
    return (now() - days_ago * DAY).replace(hour=hour, minute=minute, second=0)


def text(t):
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


def date(days_ago):
    return (now() - days_ago * DAY).date().isoformat()


def session(learner, name, start, minutes, answers=0, right=0, complete=True, **members):
    """A session with answers of one minute each, one after the other from its start."""
    out = [event(learner, "session_started", at=text(start), session=name, item=None)]
    for i in range(answers):
        out.append(event(learner, "answer", at=text(start + (i + 1) * MINUTE), session=name, item="i%d" % i,
                         correct=i < right, durationMs=60000, latencyMs=2000,
                         **({"skills": []} | members)))
    if complete:
        out.append(event(learner, "session_completed", at=text(start + minutes * MINUTE), session=name, item=None))
    return [{k: v for k, v in e.items() if v is not None} for e in out]


ANALYTICS = ["/api/analytics/study-time", "/api/analytics/study-time-heatmap", "/api/analytics/time-per-topic",
             "/api/analytics/learning-profile", "/api/analytics/model-performance", "/api/analytics/burnout-risk", "/api/analytics/cognitive-load/current",
             "/api/analytics/cognitive-load/history", "/api/analytics/sessions", "/api/learning/sessions",
             "/api/user/profile", "/api/user/privacy", "/api/user/preferences", "/api/analytics/export"]


@both_engines
class Everywhere:
    """What holds for every answer about a learner."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events([event("ann"), event("bob")])

    def test_unknown_learner(self):
        for path in ANALYTICS:
            with self.subTest(path):
                self.assertProblem(self.server.get(path, query={"userId": "nobody"}), 404)

    def test_learner_must_be_named(self):
        for path in ANALYTICS:
            with self.subTest(path):
                self.assertProblem(self.server.get(path), 400, field="userId")
                self.assertProblem(self.server.get(path, query={"userId": ""}), 400, field="userId")
                self.assertProblem(self.server.get(path, query={"userId": "x" * 129}), 400, field="userId")

    def test_other_learners_key(self):
        key = self.key("read,write,ingest", learner="bob")
        for path in ANALYTICS:
            with self.subTest(path):
                self.assertProblem(self.server.get(path, query={"userId": "ann"}, key=key), 404)
                self.assertEqual(self.server.get(path, key=key).status, 200)

    def test_scope(self):
        key = self.key("ingest", learner="ann")
        for path in ANALYTICS:
            with self.subTest(path):
                self.assertProblem(self.server.get(path, key=key), 403)

    def test_get_writes_nothing(self):
        tables = ["events", "days", "loads", "sessions", "totals", "learners"]
        before = [self.store.query("SELECT count(*) FROM " + t) for t in tables]
        version = self.store.query("SELECT version FROM totals ORDER BY learner_id")
        for path in ANALYTICS:
            self.assertEqual(self.server.get(path, query={"userId": "ann"}).status, 200)
        self.assertEqual(before, [self.store.query("SELECT count(*) FROM " + t) for t in tables])
        self.assertEqual(version, self.store.query("SELECT version FROM totals ORDER BY learner_id"))


@both_engines
class StudyTime:
    path = "/api/analytics/study-time"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        events = (session("ann", "s1", at(1, 10), 30, 10, 8) + session("ann", "s2", at(2, 20), 45) +
                  session("ann", "s3", at(10, 5, 30), 60) + session("ann", "s4", at(100, 13), 20) +
                  session("mia", "m1", at(3, 23, 30), 60))
        cls.server.events(events + [event("idle", "activity", item=None) | {"at": text(at(3, 1))}])

    def get(self, learner="ann", **query):
        reply = self.server.get(self.path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_series(self):
        data = self.get()
        days = {d["date"]: (d["minutes"], d["sessions"]) for d in data["dailyTime"]}
        self.assertEqual(len(data["dailyTime"]), 30)
        self.assertEqual(data["dailyTime"][-1]["date"], date(0))
        self.assertEqual(days[date(1)], (30, 1))
        self.assertEqual(days[date(2)], (45, 1))
        self.assertEqual(days[date(10)], (60, 1))
        self.assertEqual(days[date(5)], (0, 0))
        self.assertEqual(sum(m for m, _ in days.values()), 135)
        self.assertEqual(len(data["weeklyTime"]), 12)
        self.assertEqual(sum(w["minutes"] for w in data["weeklyTime"]), 135)
        last = data["weeklyTime"][-1]
        year, week, _ = now().date().isocalendar()
        self.assertEqual(last["week"], "%04d-W%02d" % (year, week))
        self.assertEqual(last["weekStart"], (now().date() - datetime.timedelta(days=now().weekday())).isoformat())

    def test_periods(self):
        data = self.get(period="week")
        self.assertEqual((data["totalStudyTime"], data["totalSessions"], data["avgSessionLength"]), (75, 2, 37.5))
        self.assertEqual(data["timeOfDay"], {"morning": 30, "afternoon": 0, "evening": 45, "night": 0})
        self.assertEqual(self.get(), data)  # week is the default
        data = self.get(period="month")
        self.assertEqual((data["totalStudyTime"], data["totalSessions"]), (135, 3))
        self.assertEqual(data["timeOfDay"], {"morning": 60, "afternoon": 0, "evening": 45, "night": 30})
        data = self.get(period="all")
        self.assertEqual((data["totalStudyTime"], data["totalSessions"]), (155, 4))
        self.assertEqual(data["timeOfDay"]["afternoon"], 20)
        data = self.get(period="today")
        self.assertEqual((data["totalStudyTime"], data["totalSessions"], data["avgSessionLength"]), (0, 0, None))

    def test_streak(self):
        data = self.get()
        self.assertEqual((data["streak"], data["activeToday"]), (2, False))  # today is not over
        self.assertEqual(self.get("idle")["streak"], 0)

    def test_midnight_splits(self):
        days = {d["date"]: (d["minutes"], d["sessions"]) for d in self.get("mia")["dailyTime"]}
        self.assertEqual(days[date(3)], (30, 1))
        self.assertEqual(days[date(2)], (30, 0))

    def test_zone_decides_the_day(self):
        self.server.events(session("zoe", "z1", at(2, 23, 0), 30))
        reply = self.server.request("PATCH", "/api/user/profile", {"userId": "zoe", "timeZone": "Asia/Tokyo"})
        self.assertEqual(reply.status, 200, reply)
        data = self.get("zoe")
        days = {d["date"]: d["minutes"] for d in data["dailyTime"]}
        self.assertEqual(days[date(1)], 30)  # 08:00 of the next day there
        self.assertEqual(data["timeOfDay"], {"morning": 30, "afternoon": 0, "evening": 0, "night": 0})
        self.assertEqual(data["metadata"]["timeZone"], "Asia/Tokyo")

    def test_bad_period(self):
        self.assertProblem(self.server.get(self.path, query={"userId": "ann", "period": "year"}), 400, field="period")
        self.assertProblem(self.server.get(self.path + "?userId=ann&period=week&period=all"), 400, field="period")


@both_engines
class Heatmap:
    path = "/api/analytics/study-time-heatmap"

    def get(self, learner, **query):
        reply = self.server.get(self.path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_no_data(self):
        self.server.events([event("new", "activity", item=None)])
        data = self.get("new")
        self.assertEqual(len(data["heatmapData"]), 168)
        self.assertTrue(all(c["avgPerformance"] is None and c["n"] == 0 for c in data["heatmapData"]))
        self.assertEqual(data["optimalWindows"], [])
        self.assertEqual(data["needed"], {"graded": 20})
        self.assertTrue(data["reason"])

    def test_a_good_morning_is_found(self):
        events = []
        for day in range(1, 43):  # three times each weekday and hour
            hour = 9 if day % 2 else 15
            right = 19 if hour == 9 else 10
            events += session("ann", "s%d" % day, at(day, hour), 30, 20, right)
        for i in range(0, len(events), 90):
            self.server.events(events[i:i + 90])
        data = self.get("ann", weeks=4)
        self.assertEqual(data["metadata"]["window"], "all")
        self.assertEqual(data["metadata"]["n"], 42 * 20)
        self.assertEqual(data["metadata"]["overallPerformance"], round(100 * (21 * 19 + 21 * 10) / 840, 1))
        self.assertEqual(sum(c["sessionCount"] for c in data["heatmapData"]), 42)
        self.assertEqual(sum(c["studyMinutes"] for c in data["heatmapData"]), 42 * 30)
        self.assertGreater(len(data["optimalWindows"]), 0)
        for w in data["optimalWindows"]:
            self.assertEqual((w["startHour"], w["endHour"]), (9, 9))
            self.assertGreater(w["interval"]["low"], data["metadata"]["overallPerformance"])
        for cell in data["heatmapData"]:
            if cell["n"]:
                self.assertTrue(cell["interval"]["low"] <= cell["avgPerformance"] <= cell["interval"]["high"])

    def test_bad_weeks(self):
        self.server.events([event("ann")])
        for weeks in ("0", "53", "x", "1.5", ""):
            with self.subTest(weeks):
                self.assertProblem(self.server.get(self.path, query={"userId": "ann", "weeks": weeks}), 400,
                                   field="weeks")


@both_engines
class Topics:
    path = "/api/analytics/time-per-topic"

    def get(self, learner, **query):
        reply = self.server.get(self.path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_time_goes_where_it_was_spent(self):
        self.server.events(session("ann", "s1", at(1, 10), 30, 10, 8, course="bio", skills=["cell"],
                                   objective="o1", modality="quiz") +
                           session("ann", "s2", at(2, 10), 20, 5, 1, course="art", modality="text"))
        data = self.get("ann")
        self.assertEqual([(c["id"], c["name"], c["minutes"], c["sessions"], c["n"], c["successRate"])
                          for c in data["byCourse"]], [("bio", "bio", 10, 1, 10, .8), ("art", "art", 5, 1, 5, .2)])
        self.assertEqual([(t["tag"], t["minutes"]) for t in data["byTag"]], [("cell", 10)])
        self.assertEqual([(t["id"], t["minutes"]) for t in data["byObjective"]], [("o1", 10)])
        self.assertEqual([(t["modality"], t["minutes"]) for t in data["byModality"]], [("quiz", 10), ("text", 5)])
        self.assertEqual(data["byLecture"], [])
        self.assertEqual(data["totalMinutes"], 50)
        self.assertEqual(data["unattributed"], {"course": 35, "lecture": 50, "objective": 40, "tag": 40, "modality": 35})
        low, high = data["byCourse"][0]["interval"].values()
        self.assertAlmostEqual(low, .490162, 5)  # Wilson, 8 of 10
        self.assertAlmostEqual(high, .943318, 5)
        self.assertFalse(data["truncated"])
        short = self.get("ann", limit=1)
        self.assertEqual([c["id"] for c in short["byCourse"]], ["bio"])
        self.assertTrue(short["truncated"])
        self.assertEqual(short["unattributed"], data["unattributed"])

    def test_no_data(self):
        self.server.events([event("new", "activity", item=None)])
        data = self.get("new")
        self.assertEqual((data["byCourse"], data["totalMinutes"]), ([], 0))

    def test_bad_limit(self):
        self.server.events([event("new", "activity", item=None)])
        for limit in ("0", "501", "many"):
            self.assertProblem(self.server.get(self.path, query={"userId": "new", "limit": limit}), 400, field="limit")


@both_engines
class Profile:
    path = "/api/analytics/learning-profile"

    def get(self, learner):
        reply = self.server.get(self.path, query={"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_thin(self):
        self.server.events(session("thin", "s1", at(1, 10), 30, 10, 8, modality="quiz"))
        data = self.get("thin")
        self.assertTrue(data["insufficientData"])
        self.assertEqual(data["dataRequirements"], {"weeksNeeded": 6, "sessionsNeeded": 19, "reviewsNeeded": 40,
                                                    "currentWeeks": 0, "currentSessions": 1, "currentReviews": 10})
        profile = data["profile"]
        self.assertEqual(profile["averageSessionDuration"], 30)
        self.assertIsNone(profile["estimates"]["averageSessionDuration"]["interval"])
        self.assertIsNone(profile["optimalSessionDuration"])
        self.assertTrue(profile["estimates"]["optimalSessionDuration"]["reason"])
        self.assertIsNone(profile["personalizedForgettingCurve"])
        self.assertTrue(profile["estimates"]["personalizedForgettingCurve"]["reason"])
        self.assertIsNone(profile["learningStyleProfile"])
        self.assertEqual(profile["contentPreferences"], {"quiz": 1})
        self.assertAlmostEqual(profile["dataQualityScore"], (0 + 1 / 50 + 10 / 200) / 3, 4)

    def test_enough(self):
        events = []
        for i in range(24):
            long = i % 2
            events += session("ann", "s%d" % i, at(60 - 2 * i, 10), 45 if long else 15, 10, 9 if long else 4,
                              modality="quiz" if long else "text")
        for i in range(0, len(events), 96):
            self.server.events(events[i:i + 96])
        data = self.get("ann")
        self.assertFalse(data["insufficientData"])
        profile = data["profile"]
        self.assertEqual(profile["averageSessionDuration"], 30)
        average = profile["estimates"]["averageSessionDuration"]
        self.assertEqual(average["n"], 24)
        self.assertTrue(average["interval"]["low"] < 30 < average["interval"]["high"])
        self.assertEqual(profile["optimalSessionDuration"], 45)
        self.assertEqual(profile["contentPreferences"], {"quiz": .5, "text": .5})
        rates = {m["modality"]: m["successRate"] for m in profile["modalities"]}
        self.assertEqual(rates, {"quiz": .9, "text": .4})

    def test_not_allowed(self):
        self.server.events(session("shy", "s1", at(1, 10), 30, 10, 8))
        self.server.request("PATCH", "/api/user/privacy", {"userId": "shy", "behavioralAnalysisEnabled": False})
        data = self.get("shy")
        self.assertIsNone(data["profile"])
        self.assertTrue(data["reason"])


@both_engines
class Burnout:
    path = "/api/analytics/burnout-risk"

    def get(self, learner):
        reply = self.server.get(self.path, query={"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        self.assertRegex(reply.headers["X-Assessment-Time"], r"^\d+\.\d\d$")
        return reply.json["data"]

    @staticmethod
    def load(learner, days_ago, score):
        e = event(learner, "load", item=None, data={"loadScore": score, "confidenceLevel": 1, "stressIndicators": []})
        return {k: v for k, v in e.items() if v is not None and k != "correct"} | {"at": text(at(days_ago, 12))}

    def test_nothing_known(self):
        self.server.events([event("new", "activity", item=None) | {"at": text(at(40, 12))}])
        data = self.get("new")
        self.assertEqual((data["riskScore"], data["riskLevel"]), (0, "LOW"))
        self.assertAlmostEqual(data["confidence"], .168)
        self.assertTrue(data["insufficientData"])
        self.assertEqual(data["dataQuality"]["needed"], {"sessions": 5, "loadSamples": 10})
        self.assertEqual((data["warningSignals"], data["recommendations"]), ([], []))
        self.assertIsNone(data["metadata"]["recoveryProgress"])

    def test_a_hard_fortnight(self):
        events = []
        for day in range(1, 15):  # today is still empty: thirteen days and today lie in the window
            right = 16 if day > 7 else 10
            events += session("ann", "s%d" % day, at(day, 10), 180, 20, right) + [self.load("ann", day, 75)]
        for i in range(0, len(events), 92):
            self.server.events(events[i:i + 92])
        data = self.get("ann")
        factors = {f["factor"]: f for f in data["contributingFactors"]}
        self.assertEqual(list(factors), ["Study Intensity", "Performance Decline", "Chronic Cognitive Load",
                                         "Schedule Irregularity", "Engagement Decay", "Recovery Deficit"])
        self.assertEqual([f["score"] for f in factors.values()], [25, 100, 100, 0, 0, 100])
        self.assertAlmostEqual(factors["Study Intensity"]["measure"], 13 * 3 / 2)
        self.assertAlmostEqual(data["riskScore"], 5 + 25 + 25 + 5)
        self.assertEqual(data["riskLevel"], "HIGH")
        self.assertAlmostEqual(sum(f["share"] for f in factors.values()), 1)
        self.assertEqual(sum(f["percentage"] for f in factors.values()), 100)
        self.assertIsNone(factors["Recovery Deficit"]["metadata"]["daysSinceRest"])
        self.assertIsNone(factors["Study Intensity"]["metadata"])
        signals = {s["type"]: s["severity"] for s in data["warningSignals"]}
        self.assertEqual(signals, {"CHRONIC_OVERLOAD": "HIGH", "PERFORMANCE_DROP": "MEDIUM", "NO_RECOVERY": "HIGH"})
        self.assertTrue(data["recommendations"])
        self.assertAlmostEqual(data["confidence"], .8)
        self.assertNotIn("mock", data["metadata"])


if __name__ == "__main__":
    unittest.main()
