"""Profile, consents, preferences, and the export."""
import hashlib
import json
import unittest

from tests.api.harness import both_engines, event
from tests.api.test_answers import at, session, text

PROFILE, PRIVACY, PREFERENCES = "/api/user/profile", "/api/user/privacy", "/api/user/preferences"
EXPORT = "/api/analytics/export"


@both_engines
class Settings:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events(session("ann", "s1", at(1, 10), 30, 10, 8, course="bio") + [event("bob", "activity")])

    def patch(self, path, learner, **body):
        return self.server.request("PATCH", path, {"userId": learner, **body})

    def test_profile(self):
        user = self.server.get(PROFILE, query={"userId": "ann"}).json["data"]["user"]
        self.assertEqual((user["id"], user["timeZone"], user["missionDifficulty"]), ("ann", "UTC", "AUTO"))
        self.assertEqual((user["defaultMissionMinutes"], user["performanceTrackingEnabled"]), (50, True))
        self.assertEqual(user["stats"], {"courseCount": 1, "lectureCount": 0, "sessionCount": 1})
        self.assertEqual(user["_count"]["studySessions"], 1)

    def test_change(self):
        reply = self.patch(PROFILE, "bob", name="Bob Ünal", email="bob@example.org", medicalSchool="Charité",
                           graduationYear=2030, defaultMissionMinutes=25, missionDifficulty="EASY",
                           preferredStudyTime="07:00", autoGenerateMissions=False, includeInAnalytics=False,
                           lastMissionAdaptation="2025-01-02T03:04:05Z", timeZone="Europe/Berlin")
        self.assertEqual(reply.status, 200, reply)
        user = reply.json["data"]["user"]
        for member, value in (("name", "Bob Ünal"), ("email", "bob@example.org"), ("medicalSchool", "Charité"),
                              ("graduationYear", 2030), ("defaultMissionMinutes", 25), ("missionDifficulty", "EASY"),
                              ("preferredStudyTime", "07:00"), ("autoGenerateMissions", False),
                              ("includeInAnalytics", False), ("lastMissionAdaptation", "2025-01-02T03:04:05.000Z"),
                              ("timeZone", "Europe/Berlin"), ("performanceTrackingEnabled", True)):
            self.assertEqual(user[member], value, member)
        again = self.patch(PROFILE, "bob", email=None, graduationYear=None).json["data"]["user"]
        self.assertEqual((again["email"], again["graduationYear"], again["name"]), (None, None, "Bob Ünal"))
        consents = self.store.query("SELECT setting, old_value, new_value FROM consents WHERE setting = 'includeInAnalytics'")
        self.assertEqual([(c[0], int(c[1]), int(c[2])) for c in consents], [("includeInAnalytics", 1, 0)])

    def test_email_belongs_to_one(self):
        self.server.events([event("eve", "activity"), event("eva", "activity")])
        self.assertEqual(self.patch(PROFILE, "eve", email="e@example.org").status, 200)
        self.assertProblem(self.patch(PROFILE, "eva", email="e@example.org"), 409, "CONFLICT", "email")
        self.assertEqual(self.patch(PROFILE, "eve", email="e@example.org").status, 200)  # her own is no conflict
        self.assertProblem(self.patch(PROFILE, "eva", email="E@Example.org"), 409, "CONFLICT", "email")
        by_mail = self.server.get(PROFILE, headers={"X-User-Email": "E@example.ORG"})
        self.assertEqual(by_mail.json["data"]["user"]["id"], "eve", by_mail)

    def test_bad_profile(self):
        for field, value in (("name", ""), ("name", "x" * 101), ("name", 5), ("email", "nobody"), ("email", "a@b"),
                             ("email", "a b@example.org"), ("email", "a@" + "x" * 260 + ".org"), ("graduationYear", 1999),
                             ("graduationYear", 2101), ("medicalSchool", "x" * 201), ("defaultMissionMinutes", 4),
                             ("defaultMissionMinutes", 241), ("missionDifficulty", "HARD"), ("timeZone", "Mars/Base"),
                             ("timeZone", "../etc/passwd"), ("autoGenerateMissions", "yes"), ("includeInAnalytics", None)):
            with self.subTest(field=field, value=str(value)[:20]):
                self.assertProblem(self.patch(PROFILE, "ann", **{field: value}), 400, field=field)
        self.assertProblem(self.patch(PROFILE, "nobody", name="x"), 404)
        key = self.key("write", learner="bob")
        self.assertProblem(self.server.request("PATCH", PROFILE, {"userId": "ann", "name": "x"}, key=key), 404)

    def test_privacy(self):
        reply = self.server.get(PRIVACY, query={"userId": "ann"}).json
        consents = {"behavioralAnalysisEnabled": True, "learningStyleProfilingEnabled": True,
                    "shareAnonymizedPatterns": False}
        self.assertEqual(reply, {"success": True, **consents, "data": consents})
        reply = self.patch(PRIVACY, "ann", shareAnonymizedPatterns=True).json
        self.assertTrue(reply["shareAnonymizedPatterns"] and reply["data"]["shareAnonymizedPatterns"])
        for body in ({}, {"shareAnonymizedPatterns": "yes"}, {"behavioralAnalysisEnabled": None}):
            self.assertProblem(self.patch(PRIVACY, "ann", **body), 400)
        self.assertProblem(self.patch(PRIVACY, "nobody", shareAnonymizedPatterns=True), 404)

    def test_withdrawing_analysis_erases(self):
        self.server.events(session("shy", "s1", at(1, 10), 30, 10, 8, course="bio", skills=["cell"]))
        reply = self.patch(PRIVACY, "shy", behavioralAnalysisEnabled=False)
        self.assertEqual(reply.status, 200, reply)
        self.assertFalse(reply.json["behavioralAnalysisEnabled"])
        self.assertGreater(reply.json["erasedRows"], 12)
        learner = "(SELECT learner_id FROM learners WHERE external_id = 'shy')"
        for table in ("events", "sessions", "session_objectives", "missions", "mission_objectives",
                      "cards", "audits", "audit_counted", "memory_fits", "analyses", "patterns", "pattern_history",
                      "insights", "recommendations", "goals", "goal_progress", "minds", "retentions", "struggle_predictions", "prediction_weeks",
                      "prediction_feedback", "interventions", "personalization_configs", "personalization_choices",
                      "strains", "sittings", "strain_episodes", "stress_profiles", "stress_patterns",
                      "personalization_outcomes", "personalization_events", "personalization_trials", "personalization_counted", "warning_work", "cohort_counted", "run_work", "run_risks", "mission_feedback", "mission_reflections",
                      "idempotency", "loads", "days", "hours", "lengths", "topics", "totals", "objective_sums", "search_sums",
                      "summaries", "article_reads"):
            rows = self.store.query("SELECT count(*) FROM %s WHERE learner_id = %s" % (table, learner))
            self.assertEqual(int(rows[0][0]), 0, table)
        self.assertIn("ANALYSIS_DISABLED", json.dumps(self.server.post("/api/events", event("shy", "activity")).json))
        self.assertEqual(int(self.store.query("SELECT count(*) FROM events WHERE learner_id = %s" % learner)[0][0]), 0)
        self.assertProblem(self.server.post("/api/learning/sessions", {"userId": "shy"}), 403, "ANALYSIS_DISABLED")
        for path in ("burnout-risk", "learning-profile", "study-time-heatmap", "cognitive-load/history"):
            reply = self.server.get("/api/analytics/" + path, query={"userId": "shy"})
            self.assertEqual(reply.status, 200)
            self.assertIn("switched", reply.json.get("reason") or reply.json["data"]["reason"])
        self.assertTrue(self.patch(PRIVACY, "shy", behavioralAnalysisEnabled=True).json["behavioralAnalysisEnabled"])
        self.assertEqual(self.server.events([event("shy", "activity")])["accepted"], 1)
        rows = self.store.query("SELECT old_value, new_value, actor FROM consents WHERE learner_id = %s ORDER BY at" % learner)
        self.assertEqual([(int(r[0]), int(r[1])) for r in rows], [(1, 0), (0, 1)])
        self.assertTrue(rows[0][2])

    def test_preferences(self):
        self.server.events([event("pat", "activity")])
        self.assertEqual(self.server.get(PREFERENCES, query={"userId": "pat"}).json["data"],
                         {"preferences": {"sharePeerCalibrationData": False}})
        data = self.patch(PREFERENCES, "pat", sharePeerCalibrationData=True).json["data"]
        self.assertTrue(data["preferences"]["sharePeerCalibrationData"])
        self.assertTrue(data["message"])
        self.assertProblem(self.patch(PREFERENCES, "pat", sharePeerCalibrationData=1), 400, field="sharePeerCalibrationData")
        self.assertProblem(self.patch(PREFERENCES, "nobody", sharePeerCalibrationData=True), 404, "USER_NOT_FOUND")


@both_engines
class Export:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events(session("ann", "s1", at(1, 10), 30, 10, 8, course="bio", skills=["cell"]) + [event("bob", "activity")])
        cls.server.events([event("ann", "load", at=text(at(1, 11)), data={"loadScore": 40, "stressIndicators": []})])

    def test_json(self):
        reply = self.server.get(EXPORT, query={"userId": "ann"})
        self.assertEqual(reply.status, 200, reply)
        self.assertIn("attachment", reply.headers["Content-Disposition"])
        data = reply.json
        self.assertEqual(data["userId"], "ann")
        self.assertEqual(len(data["events"]), 13)
        self.assertEqual(data["events"][1]["skills"], ["cell"])
        self.assertEqual(data["events"][0]["kind"], "session_started")
        self.assertEqual((len(data["sessions"]), len(data["loads"])), (1, 1))
        self.assertEqual(data["totals"][0]["answers"], 10)
        self.assertEqual(sum(len(v) for k, v in data.items() if isinstance(v, list)), data["rows"])
        asked = self.server.get("/api/analytics/learning-profile", query={"userId": "ann"}).json["data"]["profile"]
        exported = dict(data["learningProfile"], lastAnalyzedAt=asked["lastAnalyzedAt"])
        self.assertEqual((exported, data["metadata"]["hasLearningProfile"]), (asked, True))
        body = reply.body[:reply.body.rindex(b',"contentHash"')]
        self.assertEqual(hashlib.sha256(body).hexdigest(), data["contentHash"]["value"])

    def test_lines(self):
        reply = self.server.get(EXPORT, query={"userId": "ann", "format": "ndjson"}, check=False)
        self.assertEqual(reply.headers["Content-Type"].split(";")[0], "application/x-ndjson")
        lines = reply.body.splitlines(keepends=True)
        rows = [json.loads(line) for line in lines]
        self.assertEqual((rows[0]["type"], rows[-1]["type"], rows[-1]["rows"]), ("export", "end", len(rows) - 2))
        self.assertEqual(hashlib.sha256(b"".join(lines[:-1])).hexdigest(), rows[-1]["contentHash"]["value"])
        self.assertEqual(sum(r.get("table") == "events" for r in rows), 13)

    def test_large(self):
        for i in range(0, 3000, 100):
            self.server.events([event("big", "activity", at=text(at(9, 1, k % 60)), data={"pad": "x" * 200})
                                for k in range(i, i + 100)])
        data = self.server.get(EXPORT, query={"userId": "big"}).json
        self.assertEqual(len(data["events"]), 3000)

    def test_bad_format(self):
        self.assertProblem(self.server.get(EXPORT, query={"userId": "ann", "format": "xml"}), 400, field="format")


if __name__ == "__main__":
    unittest.main()


@both_engines
class DevLearner:
    flags = ("--dev-learner", "ann")

    def test_calls_that_name_nobody_are_about_the_chosen_learner(self):
        self.server.events([event("ann", "activity"), event("bob", "activity")])
        self.assertEqual(self.server.get(PROFILE).json["data"]["user"]["id"], "ann")
        self.assertEqual(self.server.get(PROFILE, query={"userId": "bob"}).json["data"]["user"]["id"], "bob")
        self.assertEqual(self.server.get(PROFILE, headers={"X-User-Id": "bob"}).json["data"]["user"]["id"], "bob")
