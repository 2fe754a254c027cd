"""Personalisation: preferences, the day's choices by lot, and what came of them."""
import datetime
import time
import unittest

from tests.api.harness import Server, both_engines, event, psql, sqlite3
from tests.api.test_answers import NOW, at, session, text

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

    def execute(self, sql):
        """Behind the server's back."""
        if self.engine == "sqlite":
            connection = sqlite3.connect(self.store.path, timeout=30)
            with connection:
                connection.execute(sql)
            connection.close()
        else:
            psql(self.store.url, sql)

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
        for learner in ("ann", "bob", "eve", "low", "out", "shy", "off", "two", "one"):
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
        self.assertEqual(config["decisionId"], NOW.date().isoformat() + "-mission")
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
        day = NOW.date().isoformat()
        for field, body in (("id", {"id": None}), ("id", {"id": ""}), ("id", {"id": "x" * 129}), ("id", {"id": 5}),
                            ("outcomeType", {"outcomeType": "X"}), ("context", {"context": "X"}),
                            ("retentionChange", {"retentionChange": None}), ("retentionChange", {"retentionChange": 1.1}),
                            ("retentionChange", {"retentionChange": "1"}), ("retentionScore", {"retentionScore": -0.1}),
                            ("completionRate", {"completionRate": 2}), ("satisfaction", {"satisfaction": 0}),
                            ("sessionDuration", {"sessionDuration": -1}), ("timestamp", {"timestamp": "now"}),
                            ("timestamp", {"timestamp": text(NOW + datetime.timedelta(hours=1))}),
                            ("timestamp", {"timestamp": text(NOW - datetime.timedelta(days=181))}),
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


if __name__ == "__main__":
    unittest.main()
