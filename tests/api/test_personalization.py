"""Personalisation: preferences, the day's choices by lot, and what came of them."""
import concurrent.futures
import datetime
import time
import unittest

from tests.api.harness import Server, both_engines, event, now, psql, sqlite3
from tests.api.test_answers import at, session, text

BASE = "/api/personalization/"
TOGGLES = ["missionPersonalizationEnabled", "contentPersonalizationEnabled",
           "assessmentPersonalizationEnabled", "sessionPersonalizationEnabled"]
BLOCKS = ["missionPersonalization", "contentPersonalization", "assessmentPersonalization",
          "sessionPersonalization"]
CONTEXTS = ["MISSION", "CONTENT", "ASSESSMENT", "SESSION"]


def history(learner, sessions=25, answers=6, first_day=60):
    """Sessions two days apart: quality = (1 + sessions/50 + graded/200) / 3."""
    out = []
    for i in range(sessions):
        out += session(learner, "%s-s%d" % (learner, i), at(first_day - 2 * i, 9), 30, answers, answers - 1,
                       modality="text" if i % 3 else "video")
    return out


class Personal:
    def get(self, path, learner, **query):
        reply = self.server.get(BASE + path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def patch(self, learner, **body):
        return self.server.request("PATCH", BASE + "preferences", {"userId": learner, **body})

    def apply(self, learner, context="MISSION", **params):
        reply = self.server.post(BASE + "apply", {"userId": learner, "context": context, "params": params})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def outcome(self, learner, **body):
        return self.server.post(BASE + "outcomes", {"userId": learner, "outcomeType": "MISSION_COMPLETED", **body})

    @classmethod
    def execute(cls, sql):
        """Behind the server's back."""
        if cls.engine == "sqlite":
            connection = sqlite3.connect(cls.store.path, timeout=30)
            with connection:
                connection.execute(sql)
            connection.close()
        else:
            psql(cls.store.url, sql)

    def number(self, sql):
        return int(self.store.query(sql)[0][0])

    @staticmethod
    def of(learner):
        return "(SELECT learner_id FROM learners WHERE external_id = '%s')" % learner


@both_engines
class Preferences(Personal):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for learner in ("ann", "bob", "eve", "kim"):
            cls.server.events([event(learner, "activity")])

    def test_defaults_are_not_written(self):
        shown = self.get("preferences", "ann")["preferences"]
        self.assertEqual(shown["personalizationLevel"], "MEDIUM")
        self.assertTrue(all(shown[t] for t in TOGGLES) and shown["autoAdaptEnabled"])
        self.assertEqual((shown["disabledFeatures"], shown["version"], shown["updatedAt"]), ([], 0, None))
        self.assertEqual(self.number("SELECT count(*) FROM personalization_preferences WHERE learner_id = " + self.of("ann")), 0)

    def test_levels_set_the_switches(self):
        for level, on in (("LOW", [True, False, False, True]), ("HIGH", [True] * 4), ("NONE", [False] * 4), ("MEDIUM", [True] * 4)):
            data = self.patch("bob", personalizationLevel=level).json["data"]
            self.assertIn("updated", data["message"])
            self.assertEqual([data["preferences"][t] for t in TOGGLES], on, level)
        data = self.patch("bob", personalizationLevel="LOW", contentPersonalizationEnabled=True).json["data"]
        self.assertEqual([data["preferences"][t] for t in TOGGLES], [True, True, False, True])
        data = self.patch("bob", personalizationLevel="NONE", contentPersonalizationEnabled=True).json["data"]
        self.assertFalse(any(data["preferences"][t] for t in TOGGLES))
        self.assertEqual(self.get("preferences", "bob")["preferences"], data["preferences"])

    def test_one_writer_at_a_time(self):
        first = self.patch("eve", autoAdaptEnabled=False, version=0).json["data"]["preferences"]
        self.assertEqual((first["version"], first["autoAdaptEnabled"]), (1, False))
        self.assertProblem(self.patch("eve", autoAdaptEnabled=True, version=0), 409, "VERSION_CONFLICT")
        again = self.patch("eve", disabledFeatures=["video", "mission"], version=1).json["data"]["preferences"]
        self.assertEqual((again["disabledFeatures"], again["version"]), (["video", "mission"], 2))
        self.assertEqual(self.patch("eve", disabledFeatures=[]).json["data"]["preferences"]["disabledFeatures"], [])

    def test_refusals(self):
        for body in ({}, {"personalizationLevel": "INVALID"}, {"personalizationLevel": None}, {"autoAdaptEnabled": "true"},
                     {"missionPersonalizationEnabled": 1}, {"disabledFeatures": "x"}, {"disabledFeatures": [1]},
                     {"disabledFeatures": [""]}, {"disabledFeatures": ["x" * 65]}, {"disabledFeatures": ["x"] * 33},
                     {"version": 0}, {"autoAdaptEnabled": True, "version": -1}, {"autoAdaptEnabled": True, "version": "1"}):
            with self.subTest(body=str(body)[:50]):
                self.assertProblem(self.patch("kim", **body), 400, field=next(iter(body), None) if "version" not in body else None)
        self.assertEqual(self.get("preferences", "kim")["preferences"]["version"], 0)
        self.assertProblem(self.patch("nobody", autoAdaptEnabled=True), 404)
        self.assertProblem(self.server.get(BASE + "preferences", query={"userId": "nobody"}), 404)
        key = self.key("read", learner="kim")
        self.assertProblem(self.server.request("PATCH", BASE + "preferences", {"autoAdaptEnabled": True}, key=key), 403)
        for path in ("preferences", "config"):
            self.assertProblem(self.server.get(BASE + path, query={"userId": "ann"}, key=key), 404)
        self.assertProblem(self.server.request("PATCH", BASE + "preferences", {"userId": "ann", "autoAdaptEnabled": True},
                                               key=self.key("write", learner="kim")), 404)


@both_engines
class Choices(Personal):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for learner in ("ann", "bob", "eve", "low", "out", "shy", "off", "two", "one", "ice", "far", "mob"):
            cls.server.events(history(learner))  # quality (1 + 25/50 + 150/200) / 3 = 0.75
        cls.server.events(history("thin", 3))

    def test_config_without_choices(self):
        data = self.get("config", "bob")
        self.assertEqual((data["dataQualityScore"], data["message"]), (0.75, None))
        for name in BLOCKS:
            block = data["config"][name]
            self.assertEqual((block["enabled"], block["confidence"], block["strategyVariant"]), (True, 0.75, None))
        self.assertEqual(data["config"]["missionPersonalization"]["strategy"], "pattern-based")
        self.assertEqual(data["config"]["assessmentPersonalization"]["strategy"], "forgetting-curve-optimized")
        self.assertIn("recommendedDuration", data["config"]["missionPersonalization"]["parameters"])
        self.assertEqual(self.number("SELECT count(*) FROM personalization_choices WHERE learner_id = " + self.of("bob")), 0)

    def test_too_little_is_known(self):
        data = self.get("config", "thin")
        for name in BLOCKS:
            self.assertEqual((data["config"][name]["enabled"], data["config"][name]["strategy"],
                              data["config"][name]["parameters"], data["config"][name]["confidence"]), (False, "default", {}, 0))
        self.assertIn("Insufficient", data["message"])
        self.assertGreater(data["needed"]["sessions"], 0)
        made = self.apply("thin")
        self.assertFalse(made["personalizationApplied"])
        self.assertIn("Insufficient", made["message"])
        self.assertLess(made["dataQualityScore"], 0.6)
        self.assertEqual(made["config"]["strategy"], "default")

    def test_the_level_asks_for_more(self):
        self.patch("low", personalizationLevel="LOW")
        made = self.apply("low")
        self.assertEqual((made["personalizationApplied"], made["dataQualityScore"]), (False, 0.75))
        self.assertIn("below threshold", made["message"])
        self.assertFalse(self.get("config", "low")["config"]["missionPersonalization"]["enabled"])

    def test_apply(self):
        made = self.apply("ann", missionDate="2025-10-20")
        self.assertEqual((made["personalizationApplied"], made["context"], made["confidence"]), (True, "MISSION", 0.75))
        config = made["config"]
        self.assertEqual(config["strategy"], "pattern-based")
        self.assertAlmostEqual(config["propensity"], 0.25, places=3)  # nothing is known of the variants yet
        self.assertIn(config["strategyVariant"], ("Conservative", "Balanced", "Pattern-heavy", "Prediction-heavy"))
        self.assertEqual(config["decisionId"], now().date().isoformat() + "-mission")
        self.assertEqual(config["parameters"]["missionDate"], "2025-10-20")
        self.assertEqual(self.apply("ann")["config"]["decisionId"], config["decisionId"])  # drawn once a day
        self.assertEqual(self.apply("ann")["config"]["strategyVariant"], config["strategyVariant"])
        content = self.apply("ann", "CONTENT", topicId="o7")["config"]["parameters"]
        self.assertEqual(content["topicId"], "o7")
        self.assertEqual(self.apply("ann", "ASSESSMENT", currentDifficulty=3)["config"]["parameters"]["currentDifficulty"], 3)
        made = self.apply("ann", "SESSION", sessionDuration=35)
        self.assertEqual(made["config"]["parameters"]["sessionDuration"], 35)
        self.assertEqual(made["config"]["parameters"]["breaks"], [{"afterMinutes": 25, "minutes": 5}])
        shown = self.get("config", "ann")["config"]
        for name in BLOCKS:
            self.assertTrue(shown[name]["decisionId"])
            self.assertEqual(shown[name]["provenance"], {"preference": True, "dataQuality": True, "choice": "drawn"})
        rows = self.store.query("SELECT context, propensity, control FROM personalization_choices WHERE learner_id = " + self.of("ann"))
        self.assertEqual(sorted(r[0] for r in rows), sorted(CONTEXTS))

    def test_lots_are_those_of_learner_and_day(self):
        drawn = {self.apply(learner, context)["config"]["strategyVariant"] for learner in ("two", "bob", "eve", "ann") for context in CONTEXTS}
        self.assertGreater(len(drawn), 1)  # 16 lots all alike: once in a thousand million

    def test_switched_off(self):
        self.apply("off", "CONTENT")
        self.apply("off", "SESSION")
        self.patch("off", personalizationLevel="MEDIUM", contentPersonalizationEnabled=False)
        made = self.apply("off", "CONTENT")
        self.assertFalse(made["personalizationApplied"])
        self.assertIn("disabled", made["message"])
        self.assertEqual(made["config"]["strategy"], "default")
        self.assertTrue(self.apply("off", "SESSION")["personalizationApplied"])
        self.patch("off", disabledFeatures=["Session", "topicId"])
        self.assertFalse(self.apply("off", "SESSION")["personalizationApplied"])
        self.patch("off", contentPersonalizationEnabled=True)
        self.assertNotIn("topicId", self.apply("off", "CONTENT", topicId="o7")["config"]["parameters"])
        self.patch("off", personalizationLevel="NONE")
        data = self.get("config", "off")
        self.assertFalse(any(data["config"][b]["enabled"] for b in BLOCKS))
        self.assertIn("disabled", data["message"])
        self.assertEqual(self.number("SELECT count(*) FROM personalization_configs WHERE deactivated_at IS NULL AND learner_id = "
                                     + self.of("off")), 0)

    def test_outcomes_are_learnt_from_once(self):
        made = self.apply("eve")["config"]
        best = dict(retentionChange=1, performanceChange=1, completionRate=1, satisfaction=5)
        reply = self.outcome("eve", id="m1", decisionId=made["decisionId"], **best)
        self.assertEqual(reply.status, 200, reply)
        data = reply.json["data"]
        self.assertEqual((data["created"], data["learnt"], data["outcome"]["reward"]), (True, True, 1))
        self.assertEqual((data["outcome"]["strategyVariant"], data["outcome"]["decisionId"]),
                         (made["strategyVariant"], made["decisionId"]))
        again = self.outcome("eve", id="m1", decisionId=made["decisionId"], retentionChange=-1).json["data"]
        self.assertEqual((again["created"], again["outcome"]), (False, data["outcome"]))
        other = self.outcome("eve", id="m2", retentionChange=-1).json["data"]  # the day's choice has its outcome
        self.assertEqual((other["created"], other["learnt"], other["outcome"]["decisionId"]), (True, False, made["decisionId"]))
        shown = self.get("config", "eve")["config"]["missionPersonalization"]
        self.assertEqual((shown["n"], shown["meanReward"]), (1, 0.6667))  # Beta(1 + 1, 1)

    def test_frozen(self):
        self.patch("ice", autoAdaptEnabled=False)
        made = self.apply("ice")["config"]
        self.assertEqual((made["propensity"], made["strategyVariant"], made["provenance"]["choice"]), (1, "Conservative", "frozen"))
        data = self.outcome("ice", id="f1", decisionId=made["decisionId"], retentionChange=1).json["data"]
        self.assertEqual((data["learnt"], data["outcome"]["personalizationApplied"]), (False, True))
        self.assertEqual(self.get("history", "ice")["meta"]["total"], 1)  # nothing was learnt
        e = self.get("effectiveness", "ice")["effectiveness"]
        self.assertIn("fixed", e["statistical"]["reason"])

    def test_outcomes_of_a_local_day(self):
        self.server.request("PATCH", "/api/user/profile", {"userId": "far", "timeZone": "Pacific/Kiritimati"})  # UTC + 14
        made = self.apply("far")["config"]
        local = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=14)
        self.assertEqual(made["decisionId"], local.date().isoformat() + "-mission")
        self.assertEqual(self.outcome("far", id="now", completionRate=1).json["data"]["outcome"]["decisionId"], made["decisionId"])
        before = self.outcome("far", id="then", completionRate=1, timestamp=text(now() - datetime.timedelta(days=1))).json["data"]
        self.assertIsNone(before["outcome"]["decisionId"])

    def test_many_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: self.apply("mob")["config"], range(16)))
            told = list(pool.map(lambda i: self.outcome("mob", id="o%d" % (i % 4), completionRate=i / 16).json["data"], range(16)))
        self.assertEqual(len({(m["decisionId"], m["strategyVariant"], m["propensity"]) for m in made}), 1)
        self.assertEqual(sum(t["created"] for t in told), 4)
        self.assertEqual(len({t["outcome"]["id"] for t in told if t["learnt"]}), 1)
        self.assertEqual(self.get("config", "mob")["config"]["missionPersonalization"]["n"], 1)

    def test_rewards(self):
        for i, (r, p, c, s, composite) in enumerate(((.2, .15, .9, 4.5, .69625), (-.1, -.05, .4, 2, .525), (.1, .1, .8, None, .615),
                                                     (.3, .2, .85, None, .675), (-.2, -.1, .3, None, .475), (1, 1, 1, 5, 1),
                                                     (-1, -1, 0, 1, .15))):
            reply = self.outcome("out", id="v%d" % i, retentionChange=r, performanceChange=p, completionRate=c, satisfaction=s)
            data = reply.json["data"]
            self.assertAlmostEqual(data["outcome"]["compositeReward"], composite)
            self.assertEqual((data["learnt"], data["outcome"]["decisionId"], data["outcome"]["personalizationApplied"]), (False, None, False))
            self.assertTrue(0 <= data["outcome"]["reward"] <= 1)
        data = self.outcome("out", id="score", outcomeType="ASSESSMENT_COMPLETED", performanceScore=1).json["data"]["outcome"]
        self.assertEqual(data["context"], "ASSESSMENT")
        self.assertAlmostEqual(data["performanceChange"], 1 - 5 / 6)  # five of six were right in the weeks before
        self.assertIsNone(data["retentionChange"])  # there were no reviews to compare with

    def test_outcome_refusals(self):
        self.apply("one")
        day = now().date().isoformat()
        for field, body in (("id", {"id": None}), ("id", {"id": ""}), ("id", {"id": "x" * 129}), ("id", {"id": 5}),
                            ("outcomeType", {"outcomeType": "X"}), ("context", {"context": "X"}),
                            ("retentionChange", {"retentionChange": None}), ("retentionChange", {"retentionChange": 1.1}),
                            ("retentionChange", {"retentionChange": "1"}), ("retentionScore", {"retentionScore": -0.1}),
                            ("completionRate", {"completionRate": 2}), ("satisfaction", {"satisfaction": 0}),
                            ("sessionDuration", {"sessionDuration": -1}), ("timestamp", {"timestamp": "now"}),
                            ("timestamp", {"timestamp": text(now() + datetime.timedelta(hours=1))}),
                            ("timestamp", {"timestamp": text(now() - datetime.timedelta(days=181))}),
                            ("context", {"decisionId": day + "-mission", "context": "SESSION"})):
            with self.subTest(field=field, body=str(body)[:40]):
                self.assertProblem(self.outcome("one", **{"id": "bad", "retentionChange": 0.1, **body}), 400, field=field)
        for decision in ("x", day + "-content", "2020-01-01-mission", "2025-99-99-mission", "'; --"):
            self.assertProblem(self.outcome("one", id="bad", retentionChange=0, decisionId=decision), 404, "DECISION_NOT_FOUND")
        self.assertProblem(self.outcome("nobody", id="bad", retentionChange=0), 404)
        self.assertProblem(self.outcome("one", id="bad", retentionChange=0, decisionId=None, context="NOWHERE"), 400)
        self.assertEqual(self.number("SELECT count(*) FROM personalization_outcomes WHERE learner_id = " + self.of("one")), 0)

    def test_apply_refusals(self):
        for body in ({}, {"context": "MOOD"}, {"context": None}, {"context": "MISSION", "params": 5},
                     {"context": "MISSION", "params": {"missionDate": "soon"}},
                     {"context": "SESSION", "params": {"sessionDuration": 0}},
                     {"context": "SESSION", "params": {"sessionDuration": "30"}},
                     {"context": "CONTENT", "params": {"topicId": "x" * 129}},
                     {"context": "ASSESSMENT", "params": {"currentDifficulty": {"a": 1}}},
                     {"context": "ASSESSMENT", "params": {"currentDifficulty": "x" * 80}}):
            with self.subTest(body=str(body)[:60]):
                self.assertProblem(self.server.post(BASE + "apply", {"userId": "two", **body}), 400)
        self.assertProblem(self.server.post(BASE + "apply", {"userId": "nobody", "context": "MISSION"}), 404)
        for path, body in (("apply", {"context": "MISSION"}), ("outcomes", {"id": "x", "outcomeType": "CONTENT_ENGAGED", "completionRate": 1})):
            self.assertProblem(self.server.post(BASE + path, body, key=self.key("read", learner="two")), 403)
            self.assertProblem(self.server.post(BASE + path, {"userId": "ann", **body}, key=self.key("write", learner="two")), 404)

    def test_privacy(self):
        self.apply("shy")
        self.outcome("shy", id="o1", completionRate=1)
        self.patch("shy", autoAdaptEnabled=False)
        self.server.request("PATCH", "/api/user/privacy", {"userId": "shy", "learningStyleProfilingEnabled": False})
        self.assertIn("profile is disabled", self.apply("shy")["message"])
        self.server.request("PATCH", "/api/user/privacy", {"userId": "shy", "behavioralAnalysisEnabled": False})
        for table in ("configs", "choices", "outcomes", "events"):
            self.assertEqual(self.number("SELECT count(*) FROM personalization_%s WHERE learner_id = %s" % (table, self.of("shy"))), 0, table)
        self.assertFalse(self.get("preferences", "shy")["preferences"]["autoAdaptEnabled"])  # the learner's own word stays
        data = self.get("config", "shy")
        self.assertIsNone(data["dataQualityScore"])
        self.assertIn("switched", data["reason"])
        made = self.apply("shy")
        self.assertEqual((made["personalizationApplied"], made["dataQualityScore"]), (False, None))
        self.assertProblem(self.outcome("shy", id="o2", completionRate=1), 403, "ANALYSIS_DISABLED")
        self.assertEqual(self.number("SELECT count(*) FROM personalization_outcomes WHERE learner_id = " + self.of("shy")), 0)

    def test_export(self):
        made = self.apply("bob", "SESSION")
        self.outcome("bob", id="x1", outcomeType="SESSION_COMPLETED", completionRate=0.5, contentType="quiz")
        self.patch("bob", disabledFeatures=["video"])
        data = self.server.get("/api/analytics/export", query={"userId": "bob"}).json
        choice = next(c for c in data["personalizationChoices"] if c["context"] == "SESSION")
        self.assertEqual((choice["strategyVariant"], choice["outcome"]), (made["config"]["strategyVariant"], "x1"))
        self.assertEqual(data["personalizationOutcomes"][0]["contentType"], "quiz")
        self.assertEqual(data["personalizationPreferences"][0]["disabledFeatures"], ["video"])
        self.assertTrue(data["personalizationConfigs"] and data["personalizationEvents"])


@both_engines
class HeldOut(Personal):
    flags = ("--personalization-holdout", "50")

    def test_half_are_left_alone(self):
        learners = ["h%d" % i for i in range(12)]
        for learner in learners:
            self.server.events(history(learner))
        made = [self.apply(learner)["config"] for learner in learners]
        out = [m["strategyVariant"] for m in made if m["provenance"]["choice"] == "held out"]
        self.assertTrue(0 < len(out) < 12, out)  # by a hash of the names: the same in every run
        self.assertEqual(set(out), {"Conservative"})
        for m in made:
            self.assertEqual(m["propensity"] == 1, m["provenance"]["choice"] == "held out")


    def trial(self, **kw):
        reply = self.server.get(BASE + "trial", **kw)
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def enter(self, prefix, count, lift):
        """Learners who began 60 days ago; every third is held out."""
        learners = ["%s%d" % (prefix, i) for i in range(count)]
        self.server.events([event(learner, "activity") for learner in learners])
        day = now().date().toordinal() - 719163 - 60
        for i, learner in enumerate(learners):
            before = 50 + i * 7 % 20
            after = before + i * 5 % 7 - 3 + (0 if i % 3 == 0 else lift)
            self.execute("INSERT INTO personalization_trials VALUES (%s, %d, %d, 100, %d, 50400000, 100, %d, 100800000)"
                         % (self.of(learner), day, i % 3 == 0, before, after))
        return learners

    def ab_tests(self):
        return self.server.get("/api/analytics/model-performance/admin").json["data"]["abTests"]

    def test_trial(self):
        self.assertEqual(self.ab_tests(), [])
        data = self.trial()
        self.assertEqual(data["holdoutPercent"], 50)
        self.assertIsNone(data["success"]["value"])
        self.assertEqual(data["success"]["needed"], {"personalized": 8, "heldOut": 8})
        learners = self.enter("t", 60, 10)
        data = self.trial()
        found = data["success"]
        self.assertEqual((data["learners"], found["personalized"], found["heldOut"]), (60, 40, 20))
        self.assertTrue(found["interval"]["low"] < 10 < found["interval"]["high"], found)
        self.assertLess(abs(found["value"] - 10), 1.5)
        self.assertTrue(found["isStatisticallySignificant"] and found["pPermutation"] <= 0.001)
        self.assertGreater(found["varianceExplained"], 0.3)
        self.assertFalse(data["studyTime"]["isStatisticallySignificant"])  # all studied the same
        for learner in learners[:3]:
            self.server.request("PATCH", "/api/user/profile", {"userId": learner, "includeInAnalytics": False})
        for test in self.ab_tests():  # the same, among the comparisons of the models
            same = self.trial()[test["metric"]]
            self.assertEqual((test["name"], test["difference"], test["interval"], test["pValue"], test["pAdjusted"], test["reason"],
                              test["controlCount"], test["treatmentCount"], test["isStatisticallySignificant"]),
                             ("personalization", same["value"], same["interval"], same["pValue"], same["pAdjusted"], same["reason"],
                              same["heldOut"], same["personalized"], same["isStatisticallySignificant"]))
        self.assertEqual([t["metric"] for t in self.ab_tests()], ["success", "studyTime"])
        self.assertEqual(self.trial()["learners"], 57)
        self.server.request("PATCH", "/api/user/privacy", {"userId": learners[5], "behavioralAnalysisEnabled": False})
        self.assertEqual(self.trial()["learners"], 56)
        self.assertProblem(self.server.get(BASE + "trial", key=self.key("read")), 403)


@both_engines
class Effects(Personal):
    """90 days of two lots a day, entered as the night would have drawn them."""
    DAYS = 90

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for learner, better in (("helped", 8), ("same", 5)):
            events, choices = [], []
            for ago in range(cls.DAYS + 30, 0, -1):
                # two out of three days are personalised; the wrong answers go round
                treated, wobble = ago % 3 != 0, ago * 7 % 5 - 2
                right = (better if treated and ago <= cls.DAYS else 5) + wobble
                events += session(learner, "%s-%d" % (learner, ago), at(ago, 9), 30, 10, right)
                if ago <= cls.DAYS:
                    choices.append((ago, "MISSION", "Pattern-heavy" if treated else "Conservative", 0.6 if treated else 0.4, right / 10))
            for i in range(0, len(events), 900):
                cls.server.events(events[i:i + 900])
            for ago, context, variant, chance, reward in choices:
                day = (now() - datetime.timedelta(days=ago)).date().toordinal() - 719163
                cls.execute("INSERT INTO personalization_choices (learner_id, day, context, variant, propensity, control, learnable, "
                             "source, made_at, reward, outcome, settled_at) VALUES (%s, %d, '%s', '%s', %g, 0.4, 1, 'NIGHT', 0, %g, 'o', %d)"
                             % (cls.of(learner), day, context, variant, chance, reward, day))
        cls.server.events([event("new", "activity")])

    def effectiveness(self, learner, **query):
        return self.get("effectiveness", learner, startDate=text(now() - datetime.timedelta(days=self.DAYS)), endDate=text(now()), **query)

    def test_an_effect_is_found(self):
        data = self.effectiveness("helped")
        e = data["effectiveness"]
        self.assertTrue(e["hasPersonalization"])
        found = e["estimates"]["performanceImprovement"]
        self.assertEqual((found["n"], found["personalizedDays"], found["controlDays"]), (90, 60, 30))
        self.assertLess(abs(found["value"] - 30), 5)
        self.assertTrue(found["interval"]["low"] < 30 < found["interval"]["high"], found)
        self.assertTrue(found["isStatisticallySignificant"] and e["statistical"]["isStatisticallySignificant"])
        self.assertEqual(e["metrics"]["performanceImprovement"], found["value"])
        self.assertIsNone(e["metrics"]["retentionImprovement"])  # there were no reviews
        self.assertTrue(e["estimates"]["retentionImprovement"]["reason"])
        self.assertGreater(e["statistical"]["correlation"], 0.5)
        self.assertTrue(e["statistical"]["correlationInterval"]["low"] < e["statistical"]["correlation"])
        policies = {p["policy"]: p for p in e["policies"]}
        self.assertGreater(policies["Pattern-heavy"]["expectedReward"], policies["Conservative"]["expectedReward"] + 0.2)
        self.assertIsNone(policies["Balanced"]["expectedReward"])  # it was never tried
        self.assertTrue(policies["Balanced"]["reason"])
        self.assertEqual(data["timeline"], e["timeline"])
        self.assertEqual(len(e["timeline"]), 13)  # 91 local days, by weeks
        self.assertTrue({"date", "engagementChange", "retentionImprovement", "compositeScore"} <= set(e["timeline"][0]))
        self.assertTrue(any(p["isStatisticallySignificant"] for p in e["timeline"]))
        self.assertEqual(data["period"]["days"], 90)

    def test_none_is_invented(self):
        e = self.effectiveness("same")["effectiveness"]
        for name, estimate in e["estimates"].items():
            self.assertFalse(estimate["isStatisticallySignificant"], name)
        low, high = (e["estimates"]["performanceImprovement"]["interval"][end] for end in ("low", "high"))
        self.assertTrue(low < 0 < high)

    def test_one_measure(self):
        for metric, name in (("retention", "retentionImprovement"), ("performance", "performanceImprovement"),
                             ("completion", "completionRateChange")):
            self.assertEqual(list(self.effectiveness("helped", metric=metric)["effectiveness"]["metrics"]), [name])
        self.assertEqual(set(self.effectiveness("helped")["effectiveness"]["metrics"]),
                         {"retentionImprovement", "performanceImprovement", "completionRateChange", "engagementChange"})

    def test_too_little(self):
        data = self.get("effectiveness", "helped", startDate=text(now() - datetime.timedelta(days=6)))
        estimate = data["effectiveness"]["estimates"]["performanceImprovement"]
        self.assertIsNone(estimate["value"])
        self.assertTrue(estimate["reason"])
        self.assertEqual(estimate["needed"]["controlDays"], 8 - estimate["controlDays"])
        self.assertEqual(len(data["timeline"]), 7)  # days
        data = self.get("effectiveness", "new")
        self.assertFalse(data["effectiveness"]["hasPersonalization"])
        self.assertTrue(data["effectiveness"]["message"])
        self.assertEqual(data["period"]["days"], 14)
        self.assertIsNone(data["effectiveness"]["metrics"]["retentionImprovement"])

    def test_days_are_begun_ones(self):
        end = now()
        for extra, days in ((0, 14), (1, 15)):
            start = text(end - datetime.timedelta(days=14, seconds=extra))
            self.assertEqual(self.get("effectiveness", "new", startDate=start, endDate=text(end))["period"]["days"], days)

    def test_before_and_after(self):
        self.apply("helped")
        self.execute("UPDATE personalization_configs SET activated_at = %d WHERE learner_id = %s"
                     % (at(self.DAYS, 1).timestamp() * 1e6, self.of("helped")))
        self.server.events([event("helped", "activity")])  # what was answered is void
        e = self.effectiveness("helped")["effectiveness"]
        change = e["beforeAfter"]
        self.assertIsNone(change["reason"])
        self.assertGreaterEqual(change["daysBefore"], 8)
        self.assertGreater(change["daysAfter"], 80)
        self.assertGreater(change["level"], 0)
        self.assertTrue(change["interval"]["low"] < change["level"] < change["interval"]["high"])
        self.assertEqual([a["context"] for a in e["activeConfigs"]], ["MISSION"])
        self.assertTrue(0 < e["activeConfigs"][0]["confidence"] <= 1)

    def test_refusals(self):
        for path in ("effectiveness", "history"):
            for query in ({"startDate": "x"}, {"endDate": ""}, {"startDate": "2025-01-02", "endDate": "2025-01-01"},
                          {"startDate": "2025-01-01", "endDate": "2025-01-01"}, {"startDate": "2020-01-01", "endDate": "2025-01-01"},
                          {"startDate": "0001-01-01", "endDate": "0001-02-01"}, {"startDate": "2110-01-01", "endDate": "2110-02-01"}):
                with self.subTest(path=path, query=query):
                    self.assertProblem(self.server.get(BASE + path, query={"userId": "new", **query}), 400, field="Date")
            self.assertProblem(self.server.get(BASE + path, query={"userId": "nobody"}), 404)
            self.assertProblem(self.server.get(BASE + path, query={"userId": "same"}, key=self.key("read", learner="new")), 404)
            self.assertProblem(self.server.get(BASE + path, query={"userId": "new"}, key=self.key("ingest")), 403)
        self.assertProblem(self.server.get(BASE + "effectiveness", query={"userId": "new", "metric": "mood"}), 400, field="metric")
        for query in ({"limit": 0}, {"limit": 201}, {"limit": "x"}, {"offset": -1}, {"cursor": "x"}, {"cursor": "1."}, {"cursor": ""}):
            with self.subTest(query=query):
                self.assertProblem(self.server.get(BASE + "history", query={"userId": "new", **query}), 400, field=next(iter(query)))


@both_engines
class History(Personal):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events(history("ann") + history("shy"))

    def restart(self):
        cls = type(self)
        self.assertEqual(cls.server.stop(), 0)
        cls.server = Server(cls.store.url, *cls.flags, dev=cls.dev).start()

    def test_life(self):
        made = self.apply("ann")["config"]
        self.outcome("ann", id="o1", decisionId=made["decisionId"], retentionChange=0.5, completionRate=1)
        self.patch("ann", missionPersonalizationEnabled=False)
        reply = self.server.get(BASE + "history", query={"userId": "ann"})
        self.assertEqual(reply.status, 200, reply)
        events = reply.json["events"]
        self.assertEqual(reply.json["data"]["events"], events)
        self.assertEqual([e["eventType"] for e in events], ["REMOVED", "EFFECTIVENESS_CHANGED", "APPLIED"])
        removed, changed, applied = events
        self.assertEqual((applied["previousValue"], applied["newValue"]), (None, {"strategyVariant": made["strategyVariant"]}))
        self.assertEqual((removed["previousValue"], removed["newValue"]), (applied["newValue"], None))
        self.assertEqual((changed["previousValue"]["meanReward"], changed["newValue"]["rewards"]), (0.5, 1))
        self.assertTrue(50 < changed["effectivenessScore"] <= 100)
        for e in events:
            self.assertEqual((e["context"], e["personalizationType"], e["strategyVariant"]), ("MISSION", "pattern-based", made["strategyVariant"]))
        self.assertEqual(len({e["id"] for e in events}), 3)
        self.assertEqual(reply.json["meta"], {"total": 3, "limit": 50, "offset": 0, "hasMore": False, "nextCursor": None})
        first = self.server.get(BASE + "history", query={"userId": "ann", "limit": 2})
        self.assertIn('rel="next"', first.headers["Link"])
        rest = self.server.get(BASE + "history", query={"userId": "ann", "limit": 2, "cursor": first.json["meta"]["nextCursor"]})
        self.assertEqual(first.json["events"] + rest.json["events"], events)
        self.assertNotIn("Link", rest.headers)
        skipped = self.get("history", "ann", limit=2, offset=1)
        self.assertEqual((skipped["events"], skipped["meta"]["total"]), (events[1:], 3))
        none = self.get("history", "ann", startDate="2025-01-01", endDate="2025-02-01")
        self.assertEqual((none["events"], none["meta"]["total"]), ([], 0))

    def test_the_night_tells_and_draws(self):
        self.apply("shy")
        # as if it had been yesterday, with work
        self.server.events(session("shy", "late", at(1, 10), 30, 10, 10))
        self.execute("UPDATE personalization_choices SET day = day - 1 WHERE learner_id = " + self.of("shy"))
        self.execute("UPDATE learners SET night_at = 0 WHERE external_id = 'shy'")
        self.restart()
        count = "SELECT count(*) FROM personalization_choices WHERE learner_id = " + self.of("shy")
        end = time.monotonic() + 60
        while self.number(count) < 2:
            self.assertLess(time.monotonic(), end, "the night never came")
            time.sleep(0.02)
        rows = self.store.query("SELECT outcome, reward, source FROM personalization_choices WHERE learner_id = %s ORDER BY day" % self.of("shy"))
        self.assertTrue(rows[0][0].startswith("observed-"), rows)
        self.assertGreater(float(rows[0][1]), 0.5)  # all was right that day
        self.assertEqual(rows[1][2], "NIGHT")
        observed = self.store.query("SELECT observed FROM personalization_outcomes WHERE learner_id = " + self.of("shy"))
        self.assertEqual([int(r[0]) for r in observed], [1])
        trial = self.store.query("SELECT held_out, before_graded, after_graded FROM personalization_trials WHERE learner_id = " + self.of("shy"))
        self.assertEqual([[int(v) for v in row] for row in trial], [])  # it began today: that day is not over
        self.assertIn("EFFECTIVENESS_CHANGED", [e["eventType"] for e in self.get("history", "shy")["events"]])
        today = self.get("config", "shy")["config"]["missionPersonalization"]
        self.assertEqual(self.apply("shy")["config"]["decisionId"], today["decisionId"])


if __name__ == "__main__":
    unittest.main()
