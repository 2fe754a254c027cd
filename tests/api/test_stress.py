"""Strain: of the moment, sitting by sitting, what makes it and what helps; and answers thin or withheld."""
import datetime
import random

from tests.api.harness import both_engines, event, now
from tests.api.test_answers import at, text

CURRENT = "/api/analytics/cognitive-load/current"
HISTORY = "/api/analytics/cognitive-load/history"
PROFILE = "/api/analytics/stress-profile"
PATTERNS = "/api/analytics/stress-patterns"
APPLY = "/api/analytics/interventions/apply"
GENERATE = "/api/analytics/predictions/generate"
MINUTE = datetime.timedelta(minutes=1)


def sitting(learner, start, n, rng, objective="o", slower=1.0, right=.8, step=MINUTE):
    """Answers a minute apart, of about eight seconds each."""
    return [event(learner, "answer", at=text(start + i * step), item="%s%d" % (objective, rng.randrange(10 ** 6)),
                  skills=[], objective=objective, correct=rng.random() < right, session=None, durationMs=None,
                  latencyMs=int(8000 * slower * rng.lognormvariate(0, .35))) for i in range(n)]


class Reading:
    def send(self, events):
        for i in range(0, len(events), 400):
            self.server.events(events[i:i + 400])

    def night(self, learner):
        reply = self.server.post(GENERATE, {"userId": learner})
        self.assertEqual(reply.status, 201, reply)

    def get(self, path, learner, **query):
        reply = self.server.get(path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        self.assertIs(reply.json["success"], True)
        return reply.json


@both_engines
class Moment(Reading):
    def strain(self, learner):
        return self.get(CURRENT, learner)["strain"]

    def test_what_has_faded_is_no_measurement(self):
        self.send(sitting("eve", now() - 300 * MINUTE, 60, random.Random(2)))
        strain = self.strain("eve")
        self.assertEqual([strain[k] for k in ("load", "interval", "level", "trendPerTenMinutes", "direction")], [None] * 5)
        self.assertIn("too long ago", strain["reason"])
        self.assertEqual((strain["n"], strain["sufficient"], strain["overload"]), (60, True, False))

    def test_calm_then_overload(self):
        rng = random.Random(1)
        self.send(sitting("ann", now() - 200 * MINUTE, 60, rng))
        self.send(sitting("amy", now() - 65 * MINUTE, 60, rng))
        calm = self.strain("amy")
        self.assertTrue(calm["sufficient"])
        self.assertEqual((calm["n"], calm["overload"], calm["method"]), (60, False, "strain-1"))
        self.assertLess(calm["load"], 60)
        self.assertLess(calm["interval"]["low"], calm["load"])
        self.assertGreater(calm["interval"]["high"], calm["load"])
        self.assertIsNone(self.get(CURRENT, "amy")["optimalTimeRecommendation"])
        self.send(sitting("ann", now() - 15 * MINUTE, 15, rng, slower=3, right=0))
        tired = self.get(CURRENT, "ann")
        self.assertGreater(tired["strain"]["load"], 80)
        self.assertEqual((tired["strain"]["overload"], tired["strain"]["level"]), (True, "CRITICAL"))
        self.assertGreater(tired["strain"]["slower"], .5)
        self.assertGreater(tired["strain"]["misses"], .5)
        self.assertTrue(tired["strain"]["overloadSince"])
        better = tired["optimalTimeRecommendation"]
        self.assertGreater(better["recommendedDelay"], 0)
        self.assertEqual(better["avoidNextHours"], -(-better["recommendedDelay"] // 60))
        past = self.get(HISTORY, "ann")["strain"]
        self.assertEqual([p["n"] for p in past["points"]], [60, 15])
        self.assertEqual([p["open"] for p in past["points"]], [False, True])
        self.assertGreater(past["points"][1]["load"], past["points"][0]["load"])
        self.assertGreater(past["maxLoad"], 80)
        kept = (tired["strain"]["load"], [p["start"] for p in past["points"]])
        self.night("ann")  # what the night keeps says nearly the same: it knows forecasts, too
        self.assertEqual([p["start"] for p in self.get(HISTORY, "ann")["strain"]["points"]], kept[1])
        self.assertTrue(self.strain("ann")["overload"])
        self.assertAlmostEqual(self.strain("ann")["load"], kept[0], delta=15)

    def test_thin(self):
        self.server.events([event("new", "activity")])
        s = self.strain("new")
        self.assertEqual((s["load"], s["level"], s["n"], s["sufficient"], s["needed"]["graded"]), (None, None, 0, False, 20))
        self.assertTrue(s["reason"])
        self.assertEqual(self.get(HISTORY, "new")["strain"]["points"], [])
        self.send(sitting("new", now() - 20 * MINUTE, 7, random.Random(2)))
        self.assertEqual(self.strain("new")["needed"]["graded"], 13)

    def test_the_night_takes_all_and_again_nothing(self):
        rng = random.Random(3)
        for day in range(6, 0, -1):
            self.send(sitting("max", at(day, 9), 30, rng))
        rows = lambda: self.store.query("SELECT answers, state FROM strains WHERE learner_id = "
                                        "(SELECT learner_id FROM learners WHERE external_id = 'max')")
        before = self.strain("max")
        self.night("max")
        kept = rows()
        self.assertEqual(int(kept[0][0]), 180)
        self.night("max")
        self.assertEqual(rows(), kept)
        after = self.strain("max")
        self.assertEqual((before["n"], after["n"]), (180, 180))
        points = self.get(HISTORY, "max")["strain"]["points"]
        self.assertEqual([p["n"] for p in points], [30] * 6)
        self.assertEqual({p["objectiveId"] for p in points}, {"o"})
        self.assertTrue(all(p["minutes"] == 29 for p in points))

    def test_late_answers_make_it_anew(self):
        rng = random.Random(4)
        story = [sitting("late", at(day, 9), 25, rng) for day in range(5, 0, -1)]
        self.send(story[0] + story[1] + story[3])
        self.night("late")
        self.send(story[2] + story[4])
        self.night("late")
        points = self.get(HISTORY, "late")["strain"]["points"]
        self.assertEqual([p["start"][:10] for p in points], sorted(p["start"][:10] for p in points))
        self.assertEqual([p["n"] for p in points], [25] * 5)

    def test_privacy(self):
        self.send(sitting("shy", now() - 100 * MINUTE, 40, random.Random(5)))
        self.night("shy")
        self.server.request("PATCH", "/api/user/privacy", query={"userId": "shy"},
                            body={"behavioralAnalysisEnabled": False})
        for reply in (self.strain("shy"), self.get(HISTORY, "shy")["strain"], self.get(PROFILE, "shy"),
                      self.get(PATTERNS, "shy")):
            self.assertIn("switched", reply["reason"])
        self.assertEqual(self.get(PROFILE, "shy")["profileExists"], False)


@both_engines
class Stress(Reading):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = random.Random(11)
        days = list(range(60, 0, -1))
        rough = set(rng.sample(days, 25))
        story = []
        for day in days:
            story += sitting("sue", at(day, 10), 20, rng, "rough" if day in rough else "calm",
                             1.7 if day in rough else 1)
            story += sitting("joe", at(day, 10), 20, rng, rng.choice(["one", "two", "three"]))
        for i in range(0, len(story), 400):
            cls.server.events(story[i:i + 400])
        cls.server.events([event("new", "activity")])
        for learner in ("sue", "joe"):
            cls.server.post(GENERATE, {"userId": learner})

    def test_what_was_planted_is_found(self):
        r = self.get(PATTERNS, "sue")
        topics = [p for p in r["patterns"] if p["patternType"] == "TOPIC_SPECIFIC"]
        self.assertEqual([p["triggerConditions"]["objectiveId"] for p in topics], ["rough"])
        p = topics[0]
        self.assertEqual((p["occurrenceCount"], p["frequency"]), (25, 25))
        self.assertGreater(p["confidence"], .99)
        self.assertLessEqual(p["adjustedP"], .1)
        self.assertGreater(p["responseProfile"]["loadDifference"], 5)
        self.assertGreater(p["responseProfile"]["interval"]["low"], 0)
        self.assertAlmostEqual(p["responseProfile"]["impactSeverity"], p["responseProfile"]["load"] / 100, 3)
        self.assertEqual(len(p["evidence"]), 3)
        self.assertLessEqual(p["lastSeenAt"][:10], text(at(1, 10))[:10])
        self.assertEqual(r["summary"]["totalPatterns"], len(r["patterns"]))
        self.assertEqual(sum(r["summary"]["patternTypeDistribution"].values()), len(r["patterns"]))
        order = [(-p["confidence"]) for p in r["patterns"]]
        self.assertEqual(order, sorted(order))

    def test_the_profile(self):
        r = self.get(PROFILE, "sue")
        self.assertTrue(r["profileExists"])
        self.assertTrue(r["lastAnalyzedAt"])
        first = [s for s in r["primaryStressors"] if s["objectiveId"] == "rough"][0]
        self.assertEqual((first["type"], first["stressorType"], first["frequency"]),
                         ("TOPIC_SPECIFIC", "TOPIC_SPECIFIC", 25))
        self.assertTrue(0 < first["severity"] < 1)
        self.assertGreaterEqual(r["sittings"], 59)  # the normal is known after the first twenty answers
        self.assertTrue(10 < r["avgCognitiveLoad"] < 70)
        self.assertTrue(0 < r["profileConfidence"] <= 1)
        for part, value in (("tolerance", r["loadTolerance"]), ("recovery", r["avgRecoveryTime"]),
                            ("fatigue", r["fatigue"]["onsetMinutes"])):
            self.assertEqual(value is None, r[part]["reason"] is not None, part)
        self.assertGreaterEqual(r["fatigue"]["n"], 1000)
        self.assertEqual(r["effectiveCopingStrategies"], [])
        self.assertTrue(r["copingReason"])
        self.assertEqual(r["strain"]["n"], 1200)

    def test_chance_makes_no_pattern(self):
        r = self.get(PATTERNS, "joe")
        self.assertEqual(r["patterns"], [])
        self.assertEqual(r["summary"], {"totalPatterns": 0, "avgConfidence": 0, "patternTypeDistribution": {}})
        self.assertIn("chance", r["reason"])
        r = self.get(PROFILE, "joe")
        self.assertEqual(r["primaryStressors"], [])
        self.assertIsNone(r["loadTolerance"])
        self.assertIsNotNone(r["tolerance"]["p"])

    def test_asked_for_by_kind_and_confidence(self):
        of = lambda **q: [p["patternType"] for p in self.get(PATTERNS, "sue", **q)["patterns"]]
        self.assertEqual(set(of(patternType="TOPIC_SPECIFIC")), {"TOPIC_SPECIFIC"})
        self.assertEqual(of(patternType="EXAM_PROXIMITY"), [])
        self.assertEqual(of(patternType="ATTENTION_CYCLE"), [])
        self.assertEqual(of(minConfidence=0), of())
        self.assertIn("TOPIC_SPECIFIC", of(minConfidence=.9))

    def test_thin(self):
        r = self.get(PROFILE, "new")
        self.assertEqual((r["profileExists"], r["primaryStressors"], r["avgCognitiveLoad"], r["avgRecoveryTime"],
                          r["loadTolerance"], r["effectiveCopingStrategies"], r["profileConfidence"]),
                         (False, [], None, None, None, [], 0))
        self.assertNotIn("lastAnalyzedAt", r)
        self.assertEqual(r["needed"]["graded"], 20)
        self.assertTrue(self.get(PATTERNS, "new")["reason"])

    def test_bad_input_and_rights(self):
        for query in ({"minConfidence": "x"}, {"minConfidence": ""}, {"minConfidence": "nan"}, {"minConfidence": -1},
                      {"minConfidence": 1.1}, {"patternType": "X"}, {"patternType": ""}, {"patternType": "COPING"}):
            with self.subTest(query):
                self.assertProblem(self.server.get(PATTERNS, query={"userId": "sue", **query}), 400,
                                   field=next(iter(query)))
        for path in (PROFILE, PATTERNS):
            self.assertProblem(self.server.get(path), 400)
            self.assertProblem(self.server.get(path, query={"userId": "nobody"}), 404)
            self.assertProblem(self.server.get(path, query={"userId": "sue"}, key=self.key("read", learner="joe")), 404)
            self.assertProblem(self.server.get(path, query={"userId": "sue"}, key=self.key("write")), 403)
            self.assertEqual(self.server.get(path, key=self.key("read", learner="sue")).status, 200)


@both_engines
class Course(Reading):
    """Overloads that end, attention that ends, days that lead somewhere."""

    def test_attention(self):
        rng = random.Random(31)
        story = []
        for day in range(60, 0, -1):
            for i in range(60):
                story += sitting("eli", at(day, 9) + i * MINUTE, 1, rng, right=.9 - .8 * max(0, i - 20) / 40)
        self.send(story)
        self.night("eli")
        fatigue = self.get(PROFILE, "eli")["fatigue"]
        self.assertTrue(5 < fatigue["onsetMinutes"] < 35, fatigue)
        self.assertLess(fatigue["lowMinutes"], fatigue["onsetMinutes"])
        self.assertAlmostEqual(fatigue["breakAfterMinutes"], .9 * fatigue["onsetMinutes"], delta=.11)
        reply = self.server.post("/api/analytics/patterns/analyze", {"userId": "eli"})
        self.assertEqual(reply.status, 200, reply)
        found = [p for p in reply.json["data"]["patterns"] if p["patternType"] == "ATTENTION_CYCLE"]
        self.assertEqual(len(found), 1, reply.json)
        self.assertTrue(5 < found[0]["patternData"]["recommendedDuration"] < 35, found)
        asked = self.get(PATTERNS, "eli", patternType="ATTENTION_CYCLE")["patterns"]
        self.assertEqual([p["id"] for p in asked], [p["id"] for p in found])
        self.assertIsNone(asked[0]["responseProfile"])

    def test_where_the_days_are_heading(self):
        rng = random.Random(41)
        for day in range(13, 0, -1):
            self.send(sitting("ivo", at(day, 9), 20, rng, right=.3 + .05 * day))
            self.server.events([event("ivo", "load", at=text(at(day, 10)), data={"loadScore": 90 - 4 * day})])
        data = self.server.get("/api/analytics/burnout-risk", query={"userId": "ivo"}).json["data"]
        trends = {t["series"]: t for t in data["trends"]}
        self.assertEqual(set(trends), {"load", "success", "study"})
        self.assertEqual((trends["load"]["direction"], trends["load"]["worse"], trends["load"]["n"]), ("up", True, 13))
        self.assertAlmostEqual(trends["load"]["slopePerDay"], 4, 3)
        self.assertEqual((trends["success"]["direction"], trends["success"]["worse"]), ("down", True))
        rest = data["missionOverride"]
        self.assertEqual(rest is not None, data["riskLevel"] in ("HIGH", "CRITICAL") and not data["insufficientData"])
        self.server.events([event("few", "activity")])
        data = self.server.get("/api/analytics/burnout-risk", query={"userId": "few"}).json["data"]
        self.assertIsNone(data["missionOverride"])
        self.assertTrue(all(t["slopePerDay"] is None and t["reason"] and t["neededDays"] > 0
                            for t in data["trends"] if t["series"] != "study"))

    def test_recovery_is_timed(self):
        rng = random.Random(21)
        story = []
        for day in range(40, 0, -1):
            start = at(day, 8)
            story += sitting("rae", start, 25, rng)
            if day % 3 == 0:
                story += sitting("rae", start + 25 * MINUTE, 12, rng, slower=3, right=.1)
                story += sitting("rae", start + 37 * MINUTE, 45, rng, slower=.8, right=.95)
        self.send(story)
        self.night("rae")
        r = self.get(PROFILE, "rae")
        self.assertGreaterEqual(r["recovery"]["episodes"], 8)
        self.assertGreater(r["recovery"]["recovered"], r["recovery"]["episodes"] / 2)
        self.assertTrue(3 < r["recovery"]["medianMinutes"] < 45, r["recovery"])
        self.assertAlmostEqual(r["avgRecoveryTime"], r["recovery"]["medianMinutes"] / 60, 2)
        past = self.get(HISTORY, "rae", startDate=text(at(41, 0)))["strain"]
        self.assertEqual(len(past["episodes"]), r["recovery"]["episodes"])
        self.assertTrue(all(0 < e["peakLoad"] <= 100 and e["start"] < e["end"] for e in past["episodes"]))
