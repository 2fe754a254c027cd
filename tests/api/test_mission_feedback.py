"""Missions looked back on: pages, opinions, success, reflections."""
import unittest

from tests.api.harness import both_engines, event
from tests.api.test_answers import at, date, text

BASE = "/api/missions"


@both_engines
class Feedback:
    def setUp(self):
        super().setUp()
        self.learner = "l-" + self.id().rsplit(".", 1)[1].replace("test_", "")

    def get(self, path, **query):
        reply = self.server.get(BASE + path, query={"userId": self.learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def missions(self, days, done=True, objectives=("o1", "o2")):
        events = []
        for day in days:
            name = "m%d" % day
            common = {"mission": name, "at": text(at(day, 10))}
            events += [event(self.learner, "mission_created", **common, data={
                "date": date(day), "estimatedMinutes": 30,
                "objectives": [{"objectiveId": o, "estimatedMinutes": 15} for o in objectives]})]
            events += [event(self.learner, "answer", item="i%d" % i, correct=i < 8, durationMs=180000,
                             session="s-" + name, **common) for i in range(10)]
            if done:
                events += [event(self.learner, "objective_completed", objective=o, **common) for o in objectives]
                events += [event(self.learner, "mission_completed", data={"actualMinutes": 30}, **common)]
        self.server.events(events)

    def give(self, mission="m1", learner=None, headers=None, **body):
        body = {"userId": learner or self.learner, "helpfulnessRating": 4, "relevanceScore": 5,
                "paceRating": "JUST_RIGHT", **body}
        return self.server.post("%s/%s/feedback" % (BASE, mission), body, headers=headers)

    def test_pages(self):
        self.missions(range(1, 6))
        data = self.get("/history", limit=2)
        self.assertEqual(([m["id"] for m in data["missions"]], data["pagination"]["total"], data["pagination"]["hasMore"]),
                         (["m1", "m2"], 5, True))
        self.assertEqual([o["objectiveId"] for o in data["missions"][1]["objectives"]], ["o1", "o2"])
        self.assertFalse(data["objectivesCut"])
        reply = self.server.get(BASE + "/history", query={"userId": self.learner, "limit": 2})
        link = reply.headers["Link"]
        self.assertIn('rel="next"', link)
        following = self.server.get(link[1:link.index(">")]).json["data"]
        self.assertEqual([m["id"] for m in following["missions"]], ["m3", "m4"])
        again = self.server.get(BASE + "/history", query={"userId": self.learner, "limit": 2})
        self.assertEqual(again.headers["Link"], link)  # from the cache, too
        data = self.get("/history", limit=2, offset=4)
        self.assertEqual(([m["id"] for m in data["missions"]], data["pagination"]["hasMore"], data["pagination"]["nextCursor"]),
                         (["m5"], False, None))
        self.assertEqual(self.get("/history", status="PENDING")["missions"], [])
        self.assertIn("Link", self.server.get("/api/learning/mission/history",
                                              query={"userId": self.learner, "limit": 1}).headers)

    def test_success(self):
        self.missions((1, 2, 3, 5))
        # objectives 1, right .8, time kept 1, no opinion yet, three days in a row
        expected = (.3 + .25 * .8 + .2 + .1 * .3) / .85
        mission = self.get("/m1")["mission"]
        self.assertAlmostEqual(mission["successScore"], round(expected, 3))
        self.assertEqual(mission["successLabel"], "good")
        self.assertEqual(self.give(helpfulnessRating=5).status, 201)
        expected = .3 + .25 * .8 + .2 + .15 + .1 * .3
        self.assertAlmostEqual(self.get("/m1")["mission"]["successScore"], round(expected, 3))
        listed = {m["id"]: m["successScore"] for m in self.get("/history")["missions"]}
        self.assertAlmostEqual(listed["m1"], round(expected, 3))
        self.assertAlmostEqual(listed["m5"], round((.3 + .25 * .8 + .2 + .1 * .1) / .85, 3))
        summary = self.server.get("/api/analytics/missions/summary", query={"userId": self.learner, "period": "7d"})
        self.assertAlmostEqual(summary.json["data"]["successScore"], sum(listed.values()) / 4, delta=.002)
        self.missions((0,), done=False)
        self.assertIsNone(self.get("/m0")["mission"]["successScore"])

    def test_feedback(self):
        self.missions((1, 2))
        empty = self.get("/m1/feedback")
        self.assertEqual((empty["feedback"], empty["aggregatedFeedback"]["avgHelpfulness"]), ([], None))
        first = self.give(improvementSuggestions="shorter", headers={"Idempotency-Key": "k"})
        self.assertEqual(first.status, 201, first)
        self.assertEqual(self.give(improvementSuggestions="shorter", headers={"Idempotency-Key": "k"}).body, first.body)
        self.assertEqual(self.give(helpfulnessRating=1, relevanceScore=2, paceRating="TOO_FAST").status, 201)
        self.assertEqual(self.give("m2", paceRating="TOO_SLOW").status, 201)
        data = self.get("/m1/feedback")
        self.assertEqual([f["paceRating"] for f in data["feedback"]], ["TOO_FAST", "JUST_RIGHT"])
        self.assertEqual(data["aggregatedFeedback"], {"n": 2, "avgHelpfulness": 2.5, "avgRelevance": 3.5, "paceDistribution":
                                                      {"too_slow": 0, "just_right": 1, "too_fast": 1}})
        self.assertEqual((data["allMissions"]["n"], data["allMissions"]["avgHelpfulness"]), (3, 3))
        self.assertEqual(data["feedback"][1]["improvementSuggestions"], "shorter")

    def test_feedback_refused(self):
        self.missions((1,))
        self.server.events([event("other", "activity")])
        for reply in (self.give("none"), self.give(learner="other"), self.give("m1", learner="nobody")):
            self.assertProblem(reply, 404)
        for field, values in (("helpfulnessRating", (0, 6, "4", None, 2.5)), ("relevanceScore", (0, 6, None)),
                              ("paceRating", ("FAST", "", None, 1)), ("improvementSuggestions", ("x" * 2001, 1))):
            for value in values:
                with self.subTest(field=field, value=str(value)[:20]):
                    self.assertProblem(self.give(**{field: value}), 400, field=field)
        self.assertProblem(self.server.post(BASE + "/m1/feedback", {"helpfulnessRating": 3}, key=self.key("read", learner=self.learner)), 403)
        self.assertProblem(self.server.get(BASE + "/m1/feedback", query={"userId": "other"}), 404, "MISSION_NOT_FOUND")
        self.assertProblem(self.server.get(BASE + "/m1", query={"userId": "other"}), 404, "MISSION_NOT_FOUND")
        for query in ({"limit": 0}, {"limit": 101}, {"offset": -1}, {"offset": "x"}, {"cursor": "x"}, {"status": "DONE"}):
            self.assertProblem(self.server.get(BASE + "/history", query={"userId": self.learner, **query}), 400,
                               field=next(iter(query)))

    def reflect(self, **body):
        return self.server.post(BASE + "/reflections", {"userId": self.learner, "reflection": "well", **body})

    def test_reflections(self):
        self.missions(range(1, 10))
        data = self.get("/reflections")
        self.assertEqual((data["completedMissions"], data["due"], data["milestone"], data["missionsUntilNext"], data["prompts"]),
                         (9, False, None, 1, []))
        self.assertProblem(self.reflect(), 409, "NOT_DUE")
        self.missions(range(10, 22))
        data = self.get("/reflections")
        self.assertEqual((data["completedMissions"], data["due"], data["milestone"], data["nextMilestone"]), (21, True, 20, 30))
        self.assertEqual(len(data["prompts"]), 3)
        made = self.reflect(satisfaction=4, intention="earlier")
        self.assertEqual(made.status, 201, made)
        own = made.json["data"]["reflection"]
        self.assertEqual((own["milestone"], own["version"], own["satisfaction"], own["intention"]), (20, 1, 4, "earlier"))
        self.assertFalse(self.get("/reflections")["due"])
        self.assertEqual(self.reflect(milestone=10).json["data"]["state"]["reflections"][1]["milestone"], 10)
        self.assertProblem(self.reflect(milestone=20, version=2), 409, "VERSION_CONFLICT")
        changed = self.reflect(milestone=20, version=1, reflection="better").json["data"]["reflection"]
        self.assertEqual((changed["version"], changed["reflection"], changed["satisfaction"]), (2, "better", None))
        for field, value in (("milestone", 15), ("milestone", 30), ("milestone", 0), ("milestone", "x"), ("reflection", ""),
                             ("reflection", None), ("reflection", "x" * 4001), ("satisfaction", 6), ("version", 0)):
            with self.subTest(field=field, value=str(value)[:20]):
                self.assertProblem(self.reflect(**{field: value}), 400, field=field)

    def test_the_last_objective_of_a_session_closes_the_mission(self):
        self.missions((0,), done=False)
        session = self.server.post("/api/learning/sessions", {"userId": self.learner, "missionId": "m0"}).json["data"]["session"]["id"]

        def done(objective):
            reply = self.server.post("/api/learning/sessions/%s/objectives/%s/complete" % (session, objective), {
                "selfAssessment": 4, "confidenceRating": 4, "timeSpentMs": 600000}, query={"userId": self.learner})
            self.assertEqual(reply.status, 200, reply)
            return reply.json["data"]

        self.assertEqual(done("o1")["missionProgress"], {"completed": 1, "total": 2})
        self.assertEqual(self.get("/m0")["mission"]["status"], "IN_PROGRESS")
        self.assertEqual(done("o2")["missionProgress"], {"completed": 2, "total": 2})
        mission = self.get("/m0")["mission"]
        self.assertEqual((mission["status"], mission["completionRate"]), ("COMPLETED", 100))
        self.assertGreater(mission["actualMinutes"], 0)
        self.assertIsNotNone(mission["successScore"])

    def test_exported_and_erased(self):
        self.missions(range(1, 11))
        self.assertEqual((self.give().status, self.reflect().status), (201, 201))
        exported = self.server.get("/api/analytics/export", query={"userId": self.learner}).json
        exported = exported.get("data", exported)
        self.assertEqual([f["pace"] for f in exported["missionFeedback"]], ["JUST_RIGHT"])
        self.assertEqual([r["reflection"] for r in exported["missionReflections"]], ["well"])
        reply = self.server.request("PATCH", "/api/user/privacy", {"userId": self.learner, "behavioralAnalysisEnabled": False})
        self.assertEqual(reply.status, 200, reply)
        for table in ("mission_feedback", "mission_reflections"):
            left = self.store.query("SELECT count(*) FROM %s WHERE learner_id = (SELECT learner_id FROM learners "
                                    "WHERE external_id = '%s')" % (table, self.learner))
            self.assertEqual(int(left[0][0]), 0, table)
        self.assertEqual(self.get("/reflections")["reflections"], [])


if __name__ == "__main__":
    unittest.main()
