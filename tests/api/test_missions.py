"""Missions: made, read, replaced, and done."""
import json
import threading
import unittest

from tests.api.harness import Server, both_engines, event, now, run
from tests.api.test_answers import at, date, session, text

BASE = "/api/learning/mission"


@both_engines
class Missions:
    def setUp(self):
        super().setUp()
        self.learner = "l-" + self.id().rsplit(".", 1)[1].replace("test_", "")
        events = []
        for i, right in enumerate((1, 3, 5, 9)):
            events += [event(self.learner, "answer", at=text(at(3, 9, 10 * i + k)), item="i%d" % k, correct=k < right,
                             objective="o%d" % i, durationMs=30000, session="s%d" % i) for k in range(10)]
        self.server.events(events)

    def get(self, path, **query):
        reply = self.server.get(BASE + path, query={"userId": self.learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def generate(self, created=True, **body):
        reply = self.server.post(BASE + "/generate", {"userId": self.learner, **body})
        self.assertEqual((reply.status, reply.json["data"]["created"]), (200, created), reply)
        return reply.json["data"]

    def tick(self, mission, objective, **kw):
        return self.server.request("PATCH", "%s/%s/objectives/%s/complete" % (BASE, mission, objective),
                                   query={"userId": self.learner} | kw)

    def test_reading_makes_nothing(self):
        data = self.get("/today")
        self.assertEqual((data["mission"], data["objectives"], data["progress"]["total"]), (None, [], 0))
        self.assertIn("generate", data["reason"])
        preview = self.get("/preview")
        self.assertEqual((preview["preview"], preview["date"]), (True, date(-1)))
        self.assertGreater(len(preview["objectives"]), 1)
        self.assertEqual(self.get("/history")["missions"], [])

    def test_generate_is_once_a_day(self):
        data = self.generate(targetMinutes=40)
        mission = data["mission"]
        self.assertEqual((mission["date"], mission["status"]), (date(0), "PENDING"))
        self.assertTrue(38 <= data["estimatedMinutes"] <= 42, data["estimatedMinutes"])
        self.assertEqual(sum(o["estimatedMinutes"] for o in data["objectives"]), data["estimatedMinutes"])
        self.assertEqual([o["objectiveId"] for o in data["objectives"]], [o["objectiveId"] for o in data["choice"]])
        self.assertTrue(all(o["reasons"] for o in data["choice"]))
        again = self.generate(False, targetMinutes=90)
        self.assertEqual((again["mission"]["id"], again["mission"]["estimatedMinutes"]),
                         (mission["id"], mission["estimatedMinutes"]))
        self.assertEqual(self.get("/today")["mission"]["id"], mission["id"])
        self.assertEqual(self.get("/" + mission["id"])["objectives"], data["objectives"])

    def test_two_at_once_make_one(self):
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(
            self.server.post(BASE + "/generate", {"userId": self.learner}))) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sum(r.json["data"]["created"] for r in replies), 1)
        self.assertEqual(len({r.json["data"]["mission"]["id"] for r in replies}), 1)
        self.assertEqual(self.get("/history")["total"], 1)

    def test_weak_areas_only(self):
        chosen = self.generate(prioritizeWeakAreas=True, targetMinutes=120)["choice"]
        self.assertTrue(chosen)
        self.assertNotIn("o3", [o["objectiveId"] for o in chosen])
        self.assertTrue(all(o["masteryProbability"] < .7 for o in chosen))

    def test_regenerate_keeps_the_old_one(self):
        old = self.generate()["mission"]["id"]
        self.server.events(session(self.learner, "served", at(0, 0), 0, complete=False, mission=old) +
                           [event(self.learner, "activity", session="served", mission=old)])
        new = self.generate(regenerate=True, targetMinutes=30)["mission"]
        self.assertNotEqual(new["id"], old)
        data = self.get("/" + old)
        self.assertEqual((data["mission"]["status"], [s["id"] for s in data["studySessions"]]), ("SKIPPED", ["served"]))
        self.assertEqual(self.get("/today")["mission"]["id"], new["id"])
        path = "%s/%s/regenerate" % (BASE, old)
        self.assertProblem(self.server.post(path, {}, query={"userId": self.learner}), 409, "MISSION_CLOSED")
        reply = self.server.post("%s/%s/regenerate" % (BASE, new["id"]), {"targetMinutes": 60}, query={"userId": self.learner})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(self.get("/today")["mission"]["id"], reply.json["data"]["mission"]["id"])
        listed = self.get("/history", status="SKIPPED")
        self.assertEqual((listed["total"], [m["status"] for m in listed["missions"]]), (2, ["SKIPPED"] * 2))
        first = self.get("/history", limit=2)
        rest = self.get("/history", limit=2, cursor=first["nextCursor"])
        self.assertEqual(len({m["id"] for m in first["missions"] + rest["missions"]}), 3)
        self.assertIsNone(rest["nextCursor"])

    def test_done(self):
        data = self.generate(targetMinutes=30)
        mission, ids = data["mission"]["id"], [o["objectiveId"] for o in data["objectives"]]
        self.server.events([event(self.learner, "activity", mission=mission, session="w", durationMs=1200000)])
        for i, objective in enumerate(ids):
            reply = self.tick(mission, objective)
            self.assertEqual(reply.status, 200, reply)
            told = reply.json["data"]
            self.assertEqual((told["progress"]["completed"], told["progress"]["allComplete"]), (i + 1, i + 1 == len(ids)))
            self.assertEqual(told["mission"]["status"], "COMPLETED" if i + 1 == len(ids) else "IN_PROGRESS")
        self.assertIsNone(told["nextObjective"])
        self.assertEqual((told["mission"]["actualMinutes"], told["mission"]["completionRate"]), (20, 100))
        self.assertIsNotNone(told["mission"]["completedAt"])
        self.assertEqual(self.tick(mission, ids[0]).json["data"], told | {"objective": self.tick(mission, ids[0]).json["data"]["objective"]})
        reply = self.server.post(BASE + "/generate", {"userId": self.learner, "regenerate": True})
        self.assertProblem(reply, 409, "MISSION_COMPLETED")

    def version(self, mission):
        return self.get("/" + mission)["mission"]["version"]

    def test_versions(self):
        data = self.generate(targetMinutes=30)
        mission, ids = data["mission"]["id"], [o["objectiveId"] for o in data["objectives"]]
        self.assertEqual(data["mission"]["version"], 1)
        path = "%s/%s/objectives/%s/complete" % (BASE, mission, ids[0])
        stale = self.server.request("PATCH", path, {"version": 7}, query={"userId": self.learner})
        self.assertProblem(stale, 409, "VERSION_CONFLICT")
        self.assertIn("version is 1.", stale.json["detail"])
        told = self.server.request("PATCH", path, {"version": 1}, query={"userId": self.learner}).json["data"]
        self.assertEqual((told["objective"]["completed"], told["mission"]["version"]), (True, 3))  # it began, too
        self.assertProblem(self.server.request("PATCH", path, {"version": 1}, query={"userId": self.learner}), 409, "VERSION_CONFLICT")
        eased = event(self.learner, "mission_eased", mission=mission, data={"estimatedMinutes": 20})
        self.server.events([eased, eased])
        self.assertEqual(self.version(mission), 4)
        for version, status in ((3, 409), (4, 201), (None, 201)):
            body = {"helpfulnessRating": 4, "relevanceScore": 4, "paceRating": "JUST_RIGHT", "userId": self.learner}
            reply = self.server.post("/api/missions/%s/feedback" % mission, body | ({"version": version} if version else {}))
            self.assertEqual(reply.status, status, reply)
        self.assertEqual(reply.json["data"]["missionVersion"], 6)
        self.assertEqual({m["version"] for m in self.get("/history")["missions"]}, {6})
        again = "%s/%s/regenerate" % (BASE, mission)
        self.assertProblem(self.server.post(again, {"version": 5}, query={"userId": self.learner}), 409, "VERSION_CONFLICT")
        reply = self.server.post(BASE + "/generate", {"userId": self.learner, "regenerate": True, "version": 5})
        self.assertProblem(reply, 409, "VERSION_CONFLICT")
        new = self.server.post(again, {"version": 6}, query={"userId": self.learner}).json["data"]["mission"]
        self.assertEqual((new["version"], self.version(mission)), (1, 7))
        for bad in (0, -1, "x", 1.5):
            self.assertProblem(self.server.post(again, {"version": bad}, query={"userId": self.learner}), 400, field="version")

    def test_of_many_at_one_version_one_counts(self):
        mission = self.generate(targetMinutes=60)
        replies = []
        ids = [o["objectiveId"] for o in mission["objectives"]][:2]
        threads = [threading.Thread(target=lambda o=o: replies.append(self.server.request(
            "PATCH", "%s/%s/objectives/%s/complete" % (BASE, mission["mission"]["id"], o), {"version": 1},
            query={"userId": self.learner}).status)) for o in ids for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(replies), [200, 409, 409, 409])
        self.assertEqual(self.get("/" + mission["mission"]["id"])["mission"]["completedObjectivesCount"], 1)

    def due(self, *objectives):
        items = [{"type": "item", "item": "card-" + o, "course": "c", "objective": o} for o in objectives]
        catalog = [{"type": "course", "course": "c", "name": "C"}] + [
            {"type": "objective", "objective": o, "course": "c", "name": o} for o in objectives] + items
        self.server.stop()
        done = run("import", "catalog", "-", "--database", self.store.url, stdin="\n".join(map(json.dumps, catalog)))
        self.assertEqual(done.returncode, 0, done.stderr)
        type(self).server = Server(self.store.url).start()
        self.server.events([event(self.learner, "review", at=text(at(60, 9)), item=c["item"], rating=3, objective=c["objective"])
                            for c in items])

    def rest(self, days):
        reply = self.server.post("/api/analytics/interventions/apply", {
            "userId": self.learner, "interventionType": "MANDATORY_REST", "accepted": True, "metadata": {"restDays": days}})
        self.assertEqual(reply.status, 200, reply)

    def test_days_of_rest(self):
        self.rest(3)
        reply = self.server.post(BASE + "/generate", {"userId": self.learner})
        self.assertProblem(reply, 422, "NOTHING_TO_STUDY")
        self.assertIn("rest", reply.json["detail"])
        self.due("o1")
        data = self.generate(targetMinutes=60)
        self.assertTrue(data["recovery"])
        self.assertEqual([o["objectiveId"] for o in data["objectives"]], ["o1"])
        self.assertLessEqual(data["estimatedMinutes"], 15)
        self.assertIn("agreed", data["limits"][0])
        within, after = (self.get("/preview", date=date(-d)) for d in (2, 3))
        self.assertEqual((within["recovery"], after["recovery"], after["limits"]), (True, False, []))
        self.assertLessEqual(within["estimatedMinutes"], 15)
        self.assertGreater(after["estimatedMinutes"], 15)

    def test_a_high_risk_of_burnout(self):
        for day in range(1, 14):
            events = []
            for part in range(2):
                events += session(self.learner, "b%d-%d" % (day, part), at(day, 8 + 6 * part), 300, 10, 10 if day > 7 else 2)
            events += [event(self.learner, "load", at=text(at(day, 9 + k)), session="b%d-0" % day,
                             data={"loadScore": 90, "confidenceLevel": 1}) for k in range(3)]
            self.server.events(events)
        risk = self.server.get("/api/analytics/burnout-risk", query={"userId": self.learner}).json["data"]
        self.assertIn(risk["riskLevel"], ("HIGH", "CRITICAL"))
        self.assertTrue(risk["missionOverride"]["skipGeneration"])
        self.due("o1", "o2")
        data = self.generate(targetMinutes=60)
        self.assertTrue(data["recovery"])
        self.assertLessEqual(set(o["objectiveId"] for o in data["objectives"]), {"o1", "o2"})
        self.assertLessEqual(data["estimatedMinutes"], 15)
        self.assertIn(risk["riskLevel"], data["limits"][0])
        later = self.get("/preview", date=date(-6))
        self.assertFalse(later["recovery"])

    def test_a_high_load_holds_for_the_day(self):
        plain = self.get("/preview", date=date(0))
        self.assertEqual((plain["limits"], plain["recovery"]), ([], False))
        self.server.events([event(self.learner, "load", at=text(now()), data={"loadScore": 85, "confidenceLevel": 1})])
        today, tomorrow = (self.get("/preview", date=date(-d)) for d in (0, 1))
        self.assertIn("85", today["limits"][0])
        self.assertEqual((today["targetMinutes"], tomorrow["limits"]), (50, []))
        self.assertLessEqual(today["estimatedMinutes"], 32)
        self.assertFalse(any("It is new." in o["reasons"] for o in today["objectives"]))

    def test_refuses(self):
        mission = self.generate()["mission"]["id"]
        self.server.events([event("other", "activity")])
        for path in ("/" + mission, "/none"):
            self.assertProblem(self.server.get(BASE + path, query={"userId": "other"}), 404, "MISSION_NOT_FOUND")
        self.assertProblem(self.tick(mission, "none"), 404, "OBJECTIVE_NOT_FOUND")
        self.assertProblem(self.tick(mission, "o1", userId="other"), 404)
        for field, value in (("targetMinutes", 14), ("targetMinutes", 121), ("targetMinutes", "x"), ("targetMinutes", -1),
                             ("date", "soon"), ("date", ""), ("date", date(1)), ("date", date(-100)), ("regenerate", 1)):
            with self.subTest(field=field, value=value):
                self.assertProblem(self.server.post(BASE + "/generate", {"userId": self.learner, field: value}), 400, field=field)
        for path, query in (("/history", {"limit": 0}), ("/history", {"status": "DONE"}), ("/history", {"cursor": "x"}),
                            ("/preview", {"date": "x"})):
            self.assertProblem(self.server.get(BASE + path, query={"userId": self.learner, **query}), 400, field=next(iter(query)))
        self.assertProblem(self.server.post(BASE + "/generate", {"userId": "other"}), 422, "NOTHING_TO_STUDY")
        key = self.key("read", learner=self.learner)
        self.assertProblem(self.server.post(BASE + "/generate", {}, key=key), 403)

    def test_analysis_switched_off(self):
        reply = self.server.request("PATCH", "/api/user/privacy", {"behavioralAnalysisEnabled": False},
                                    query={"userId": self.learner})
        self.assertEqual(reply.status, 200, reply)
        self.assertProblem(self.server.post(BASE + "/generate", {"userId": self.learner}), 403, "ANALYSIS_DISABLED")
        data = self.get("/preview")
        self.assertEqual(data["objectives"], [])
        self.assertIn("switched", data["reason"])
        self.assertIn("switched", self.get("/today")["reason"])


if __name__ == "__main__":
    unittest.main()
