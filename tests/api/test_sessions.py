"""Study sessions: lists, the life of one session, and who may see it."""
import re
import unittest

from tests.api.harness import both_engines, event
from tests.api.test_answers import at, date, session, text

LIST = "/api/learning/sessions"
STATS = "/api/analytics/sessions"


@both_engines
class Life:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events([event("ann", "activity"), event("bob", "activity")])

    def start(self, learner="ann", **body):
        reply = self.server.post(LIST, {"userId": learner, **body})
        self.assertEqual(reply.status, 201, reply)
        return reply.json["data"]

    def patch(self, name, what, body=None, learner="ann", **kw):
        return self.server.request("PATCH", "%s/%s/%s" % (LIST, name, what), body, query={"userId": learner}, **kw)

    def read(self, name, learner="ann"):
        reply = self.server.get("%s/%s" % (LIST, name), query={"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]["session"]

    def test_start(self):
        data = self.start()
        self.assertEqual((data["session"]["state"], data["session"]["userId"]), ("ACTIVE", "ann"))
        self.assertIsNone(data["session"]["completedAt"])
        self.assertEqual((data["currentObjective"], data["missionProgress"]), (None, None))
        self.assertEqual(self.read(data["session"]["id"])["startedAt"], data["session"]["startedAt"])

    def test_a_forgotten_session_is_abandoned(self):
        self.server.events([event("ann", "session_started", at=text(at(2, 9)), session="forgotten"),
                            event("ann", "session_paused", at=text(at(2, 10)), session="forgotten")])
        self.assertEqual(self.read("forgotten")["state"], "ABANDONED")
        self.assertEqual(self.patch("forgotten", "resume").json["data"]["session"]["state"], "ACTIVE")

    def test_start_without_body(self):
        key = self.key("write,read", learner="ann")
        self.assertEqual(self.server.post(LIST, key=key).status, 201)

    def test_pause_and_resume(self):
        name = self.start()["session"]["id"]
        for _ in range(2):  # the second pause is no second event
            reply = self.patch(name, "pause")
            self.assertEqual(reply.status, 200, reply)
            self.assertEqual(reply.json["data"]["session"]["state"], "PAUSED")
        kept = self.store.query("SELECT pauses, resumes FROM sessions WHERE session = '%s'" % name)[0]
        self.assertEqual([int(n) for n in kept], [1, 0])
        for _ in range(2):
            self.assertEqual(self.patch(name, "resume").json["data"]["session"]["state"], "ACTIVE")
        kept = self.store.query("SELECT pauses, resumes FROM sessions WHERE session = '%s'" % name)[0]
        self.assertEqual([int(n) for n in kept], [1, 1])

    def test_complete(self):
        start = at(1, 9)
        self.server.events([event("ann", "session_started", at=text(start), session="hour")] +
                           [event("ann", "review", at=text(at(1, 9, 5 + i)), session="hour", item="c%d" % i, rating=3)
                            for i in range(6)])
        reply = self.patch("hour", "complete", {"pausedDurationMs": 600000})
        self.assertEqual(reply.status, 200, reply)
        data = reply.json["data"]
        self.assertEqual(data["session"]["state"], "COMPLETED")
        self.assertEqual(data["stats"]["reviewsCompleted"], 6)
        self.assertEqual(data["stats"]["newCardsStudied"], 6)
        self.assertEqual(data["stats"]["duration"], 12 * 3600 * 1000)  # a day and more: bounded
        self.assertEqual(data["stats"]["durationFormatted"], "12:00:00")
        self.assertEqual(data["stats"]["cardsPerMinute"], "0.0")
        for what in ("complete", "pause", "resume"):
            self.assertProblem(self.patch("hour", what), 409, "SESSION_ALREADY_COMPLETED")

    def test_pauses_are_not_study(self):
        start = at(1, 14)
        self.server.events([event("ann", k, at=text(at(1, 14, m)), session="paused") for k, m in
                            (("session_started", 0), ("session_paused", 10), ("session_resumed", 25),
                             ("session_completed", 40))])
        row = self.read("paused")
        self.assertEqual((row["durationMs"], row["pausedMs"]), (25 * 60000, 15 * 60000))
        self.assertEqual(row["startedAt"][:19], text(start)[:19])

    def test_notes(self):
        name = self.start()["session"]["id"]
        self.assertEqual(self.patch(name, "notes", {"notes": "ünder\nlines"}).json["data"]["session"]["sessionNotes"],
                         "ünder\nlines")
        self.assertEqual(self.patch(name, "notes", {"notes": "é" * 1000}).status, 200)
        self.assertProblem(self.patch(name, "notes", {"notes": "é" * 1001}), 400, field="notes")
        self.assertProblem(self.patch(name, "notes", {}), 400, field="notes")
        self.assertProblem(self.patch(name, "notes", {"notes": 5}), 400, field="notes")

    def test_mission_and_objectives(self):
        self.server.events([event("ann", "mission_created", at=text(at(1, 8)), mission="m1", data={
            "date": date(1), "estimatedMinutes": 30,
            "objectives": [{"objectiveId": "o1", "estimatedMinutes": 20}, {"objectiveId": "o2", "estimatedMinutes": 10}]})])
        data = self.start(missionId="m1")
        name = data["session"]["id"]
        self.assertEqual(data["session"]["mission"]["id"], "m1")
        self.assertEqual(data["currentObjective"]["objectiveId"], "o1")
        self.assertEqual(data["missionProgress"], {"completed": 0, "total": 2})
        done = {"selfAssessment": 4, "confidenceRating": 3, "timeSpentMs": 60000, "notes": "so", "unknown": 1}

        def complete(objective, body=done, learner="ann"):
            return self.server.post("%s/%s/objectives/%s/complete" % (LIST, name, objective), body,
                                    query={"userId": learner})
        reply = complete("o1")
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.json["data"]["nextObjective"]["objectiveId"], "o2")
        self.assertEqual(reply.json["data"]["missionProgress"], {"completed": 1, "total": 2})
        self.assertEqual(reply.json["data"]["sessionProgress"], {"completedObjectives": 1, "totalObjectives": 2})
        self.assertProblem(complete("o1"), 409, "OBJECTIVE_ALREADY_COMPLETED")
        self.assertProblem(complete("o9"), 404, "OBJECTIVE_NOT_FOUND")
        self.assertProblem(complete("o2", learner="bob"), 404)
        for field, value in (("selfAssessment", 0), ("selfAssessment", 6), ("confidenceRating", "4"),
                             ("timeSpentMs", -1), ("timeSpentMs", 86400001), ("clinicalScenarioTime", -1),
                             ("notes", "x" * 1001)):
            with self.subTest(field=field, value=str(value)[:9]):
                self.assertProblem(complete("o2", {**done, field: value}), 400, field=field)
        for field in ("selfAssessment", "confidenceRating", "timeSpentMs"):
            self.assertProblem(complete("o2", {k: v for k, v in done.items() if k != field}), 400, field=field)
        self.assertIsNone(complete("o2").json["data"]["nextObjective"])
        row = self.read(name)
        self.assertEqual(row["completionRate"], 100)
        self.assertEqual([(o["objectiveId"], o["selfAssessment"], o["timeSpentMs"], o["notes"])
                          for o in row["objectiveCompletions"]], [("o1", 4, 60000, "so"), ("o2", 4, 60000, "so")])
        self.assertEqual([o["completed"] for o in row["mission"]["objectives"]], [True, True])
        self.assertProblem(self.server.post(LIST, {"userId": "bob", "missionId": "m1"}), 404, "MISSION_NOT_FOUND")

    def test_read(self):
        self.server.events([event("ann", "session_started", at=text(at(1, 16)), session="full"),
                            event("ann", "review", at=text(at(1, 16, 1)), session="full", item="c1", rating=1,
                                  latencyMs=3000, durationMs=9000),
                            event("ann", "answer", at=text(at(1, 16, 2)), session="full", item="i1", correct=True,
                                  confidence=.5, objective="o1"),
                            event("ann", "answer", at=text(at(1, 16, 3)), session="full", item="i2", correct=False,
                                  confidence=.9),
                            event("ann", "answer", at=text(at(1, 16, 4)), session="full", item="i3", correct=True),
                            event("ann", "answer", at=text(at(1, 16, 3)), session="other", item="i4", correct=True)])
        row = self.read("full")
        self.assertEqual([(r["rating"], r["card"]["id"], r["latencyMs"], r["timeSpentMs"]) for r in row["reviews"]],
                         [("AGAIN", "c1", 3000, 9000)])
        metrics = row["comprehensionMetrics"]
        self.assertEqual(metrics["totalAttempts"], 3)
        self.assertAlmostEqual(metrics["averageScore"], 2 / 3)
        self.assertEqual([r["calibrationDelta"] for r in metrics["responses"]], [-50, 90, None])
        calibration = row["calibrationMetrics"]
        self.assertEqual((calibration["totalValidations"], calibration["avgConfidenceVsPerformanceGap"],
                          calibration["bias"]), (2, 70, 20))
        self.assertEqual(calibration["categoryDistribution"], {"overconfident": 1, "underconfident": 1, "calibrated": 0})
        self.assertEqual((row["averageRating"], row["reviewsRecalled"], row["correctAnswers"]), (1, 0, 2))

    def test_foreign_and_unknown(self):
        name = self.start()["session"]["id"]
        for learner in ("bob", "nobody"):
            self.assertProblem(self.server.get("%s/%s" % (LIST, name), query={"userId": learner}), 404)
            for what in ("pause", "resume", "complete"):
                self.assertProblem(self.patch(name, what, learner=learner), 404)
            self.assertProblem(self.patch(name, "notes", {"notes": "x"}, learner=learner), 404)
        key = self.key("read,write", learner="bob")
        self.assertProblem(self.server.get("%s/%s" % (LIST, name), query={"userId": "ann"}, key=key), 404)
        self.assertProblem(self.patch(name, "complete", key=key), 404)
        self.assertProblem(self.server.get(LIST + "/none", query={"userId": "ann"}), 404, "SESSION_NOT_FOUND")

    def test_read_only_key_cannot_write(self):
        key = self.key("read", learner="ann")
        self.assertProblem(self.server.post(LIST, {}, key=key), 403)

    def test_bad_bodies(self):
        name = self.start()["session"]["id"]
        for value in (-1, 86400001, "5", 1.5, None):
            self.assertProblem(self.patch(name, "complete", {"pausedDurationMs": value}), 400, field="pausedDurationMs")
        self.assertProblem(self.server.post(LIST, {"userId": "ann", "missionId": ""}), 400, field="missionId")
        self.assertProblem(self.server.post(LIST, {"userId": "ann", "missionId": "x" * 129}), 400, field="missionId")

    def test_session_event(self):
        name = self.start()["session"]["id"]

        def tell(kind, data=None, session=name, **more):
            body = {"userId": "ann", "sessionId": session, "eventType": kind, **more}
            return self.server.post("/api/analytics/session-event", body | ({"eventData": data} if data is not None else {}))
        for kind, data, kept in (("pause", {"why": "tea"}, "session_paused"), ("resume", None, "session_resumed"),
                                 ("objective_complete", {"objectiveId": "o7"}, "objective_completed"),
                                 ("card_review", {"cardId": "c1", "rating": "GOOD"}, "review"),
                                 ("card_review", {"cardId": "c1", "rating": 3}, "review"),
                                 ("card_review", {"cardId": "c1", "rating": None}, "activity"),
                                 ("card_review", {"cardId": "c1"}, "activity"),
                                 ("assessment_complete", {"score": .5}, "assessment"),
                                 ("assessment_complete", {}, "activity")):
            with self.subTest(kind=kind, data=data):
                reply = tell(kind, data)
                self.assertEqual(reply.status, 201, reply)
                e = reply.json["data"]["event"]
                self.assertEqual((e["eventType"], e["kind"], e["eventData"], e["userId"]), (kind, kept, data, "ann"))
        kept = self.store.query("SELECT pauses, resumes, reviews FROM sessions WHERE session = '%s'" % name)[0]
        self.assertEqual([int(n) for n in kept], [1, 1, 2])
        self.assertProblem(tell("pause", session="none"), 404, "SESSION_NOT_FOUND")
        self.assertProblem(tell("dance"), 400, field="eventType")
        for rating in ("BAD", "", 0, 5, 2.5, True, [3]):
            self.assertProblem(tell("card_review", {"cardId": "c", "rating": rating}), 400, field="eventData.rating")
        self.assertProblem(tell("card_review", [1]), 400, field="eventData")
        self.assertProblem(tell("pause", timestamp="soon"), 400, field="timestamp")
        for when in ("2099-01-01T00:00:00Z", "1989-01-01T00:00:00Z"):
            self.assertProblem(tell("pause", timestamp=when), 400, field="timestamp")


@both_engines
class Lists:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i in range(25):
            cls.server.events(session("ann", "s%02d" % i, at(i + 1, 10), 10 + i, 5, 4))
        cls.server.events([event("new", "activity")])

    def get(self, path, learner="ann", **query):
        reply = self.server.get(path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply

    def test_pages_by_cursor(self):
        for path in (LIST, STATS):
            with self.subTest(path):
                seen, query = [], {}
                while True:
                    reply = self.get(path, limit=10, **query)
                    data = reply.json["data"]
                    seen += [s["id"] for s in data["sessions"]]
                    if not data["pagination"]["hasMore"]:
                        self.assertNotIn("Link", reply.headers)
                        self.assertIsNone(data["pagination"]["nextCursor"])
                        break
                    link = re.fullmatch(r'<([^>]+)>; rel="next"', reply.headers["Link"])[1]
                    again = self.server.get(link).json["data"]["sessions"]
                    query = {"cursor": data["pagination"]["nextCursor"]}
                    self.assertEqual([s["id"] for s in again],
                                     [s["id"] for s in self.get(path, limit=10, **query).json["data"]["sessions"]])
                self.assertEqual(seen, ["s%02d" % i for i in range(25)])

    def test_offset(self):
        data = self.get(LIST, limit=3, offset=2).json["data"]
        self.assertEqual([s["id"] for s in data["sessions"]], ["s02", "s03", "s04"])
        self.assertEqual((data["total"], data["pagination"]["offset"]), (25, 2))
        self.assertEqual(data["totalStudyTime"], (12 + 13 + 14) * 60000)
        self.assertEqual(list(data["sessionsByDate"]), [date(3), date(4), date(5)])
        self.assertEqual([s["id"] for s in data["sessionsByDate"][date(3)]], ["s02"])

    def test_range(self):
        data = self.get(LIST, startDate=date(5), endDate=date(2)).json["data"]
        self.assertEqual([s["id"] for s in data["sessions"]], ["s02", "s03", "s04"])
        self.assertEqual(data["total"], 3)

    def test_stats(self):
        data = self.get(STATS).json["data"]
        minutes = sum(10 + i for i in range(25))
        stats = data["stats"]
        self.assertEqual((stats["totalSessions"], stats["completedSessions"]), (25, 25))
        self.assertEqual((stats["totalDurationMs"], stats["totalDurationMinutes"]), (minutes * 60000, minutes))
        self.assertEqual((stats["averageDurationMinutes"], stats["totalAnswers"]), (22, 125))
        self.assertIsNone(stats["averageCompletionRate"])
        first = data["sessions"][0]
        self.assertEqual((first["durationMinutes"], first["isCompleted"], first["completionRate"]), (10, True, None))
        self.assertEqual(first["successRate"], .8)
        data = self.get(STATS, dateRangeStart=date(5), dateRangeEnd=date(2)).json["data"]
        self.assertEqual((data["stats"]["totalSessions"], data["stats"]["totalDurationMinutes"]), (3, 12 + 13 + 14))

    def test_stats_of_all_equal_those_of_a_range_that_holds_all(self):
        objectives = [{"objectiveId": "o1"}, {"objectiveId": "o2"}, {"objectiveId": "o3"}]
        for name, done in (("p1", ("o1",)), ("p2", ("o1", "o2", "o3", "o4")), ("p3", ())):
            self.server.events(
                [event("cid", "session_started", at=text(at(2, 9)), session=name, data={"objectives": objectives})] +
                [event("cid", "objective_completed", at=text(at(2, 9, 5)), session=name, objective=o) for o in done] +
                [event("cid", "session_completed", at=text(at(2, 9, 30)), session=name)])
        every = self.get(STATS, "cid").json["data"]["stats"]
        ranged = self.get(STATS, "cid", dateRangeStart="2000-01-01").json["data"]["stats"]
        self.assertEqual(every, ranged)
        self.assertEqual((every["plannedSessions"], every["totalSessions"]), (3, 3))
        self.assertAlmostEqual(every["averageCompletionRate"], (100 / 3 + 100 + 0) / 3, 1)
        for path, query in ((LIST, {}), (LIST, {"startDate": "2000-01-01"})):
            self.assertEqual(self.get(path, "cid", **query).json["data"]["total"], 3)

    def test_no_data(self):
        stats = self.get(STATS, "new").json["data"]["stats"]
        self.assertEqual((stats["totalSessions"], stats["averageDurationMs"], stats["averageReviewsPerSession"]),
                         (0, None, None))
        self.assertEqual(self.get(LIST, "new").json["data"]["sessions"], [])

    def test_bad_input(self):
        for path, field, query in ((LIST, "limit", {"limit": 0}), (LIST, "limit", {"limit": 101}),
                                   (LIST, "offset", {"offset": -1}), (LIST, "cursor", {"cursor": "x"}),
                                   (LIST, "cursor", {"cursor": "5"}), (LIST, "startDate", {"startDate": "x"}),
                                   (LIST, "startDate", {"startDate": "2025-02-01", "endDate": "2025-01-01"}),
                                   (STATS, "limit", {"limit": 501}), (STATS, "cursor", {"cursor": ".a"}),
                                   (STATS, "dateRangeEnd", {"dateRangeEnd": "now"}),
                                   (STATS, "missionId", {"missionId": ""})):
            with self.subTest(path=path, query=query):
                self.assertProblem(self.server.get(path, query={"userId": "ann", **query}), 400, field=field)


if __name__ == "__main__":
    unittest.main()


@both_engines
class ListedReviews:
    def test_reviews_stand_in_their_sessions_when_asked_for(self):
        reviews = [event("rev", "review", id="r%d" % i, at=text(at(3, 9 + i // 3, i)), session="s%d" % (i // 3), item="c%d" % i,
                         rating=1 + i % 4) for i in range(6)]
        loose = event("rev", "review", id="loose", at=text(at(3, 9, 30)), item="c9", rating=3)
        self.server.events([*reviews, loose, event("rev", "session_started", id="e", at=text(at(4, 9)), session="empty")])
        plain = self.server.get(LIST, query={"userId": "rev"}).json["data"]
        self.assertNotIn("reviews", plain["sessions"][0])
        data = self.server.get(LIST, query={"userId": "rev", "include": "reviews"}).json["data"]
        told = {s["id"]: [(r["id"], r["rating"]) for r in s["reviews"]] for s in data["sessions"]}
        self.assertEqual(told, {"s0": [("r0", "AGAIN"), ("r1", "HARD"), ("r2", "GOOD")],
                                "s1": [("r3", "EASY"), ("r4", "AGAIN"), ("r5", "HARD")], "empty": []})
        self.assertIs(data["reviewsTruncated"], False)
        self.assertEqual([s["reviews"][0]["card"]["id"] for s in data["sessions"] if s["id"] == "s0"], ["c0"])

    def test_the_newest_five_hundred(self):
        for start in range(0, 600, 100):
            self.server.events([event("many", "review", id="r%03d" % i, at=text(at(3, 9 + i // 60, i % 60)), session="s", item="c",
                                      rating=3) for i in range(start, start + 100)])
        data = self.server.get(LIST, query={"userId": "many", "include": "reviews"}).json["data"]
        self.assertIs(data["reviewsTruncated"], True)
        told = [r["id"] for r in data["sessions"][0]["reviews"]]
        self.assertEqual((len(told), told[0], told[-1]), (500, "r100", "r599"))

    def test_unknown_include(self):
        self.assertProblem(self.server.get(LIST, query={"userId": "rev", "include": "cards"}), 400, field="include")
