"""The day's insight, the week's objectives, and what the learner's objectives come to."""
import datetime

from tests.api.harness import both_engines, event
from tests.api.test_answers import at, text

DAY, WEEK = "/api/analytics/daily-insight", "/api/analytics/weekly-summary"
MINUTE = datetime.timedelta(minutes=1)


def practice(learner, objective, days_ago, n, right, confidence=None, hour=9, minutes=1, **members):
    """One session of n answers, the first `right` of them right, evenly mixed."""
    start, name = at(days_ago, hour), "%s-%s-%d" % (learner, objective, days_ago)
    out = []
    for i in range(n):
        ok = (i * right) % n + right >= n if right < n else True
        out.append(event(learner, "answer", at=text(start + (i + 1) * minutes * MINUTE), session=name, item="%s-%d" % (objective, i),
                         correct=ok, objective=objective, confidence=confidence, durationMs=60000 * minutes,
                         skills=[], **members))
    return out


@both_engines
class Summaries:
    flags = ("--no-night",)  # which would keep what only a POST shall keep here

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        send = cls.server.events
        # surely right; nearly; weak; sure and wrong; weak and long ago
        send(practice("ann", "top", 3, 40, 39) + practice("ann", "near", 3, 40, 29) + practice("ann", "weak", 2, 40, 25))
        send(practice("ann", "sure", 1, 40, 16, confidence=.9) + practice("ann", "old", 40, 40, 26))
        for d in range(2, 20, 3):
            send(practice("bob", "b%d" % (d % 2), d, 10, 6, hour=8))
        send([event("new", "activity"), event("off")])
        cls.server.request("PATCH", "/api/user/privacy", {"userId": "off", "behavioralAnalysisEnabled": False})

    def get(self, path=DAY, learner="ann", **query):
        reply = self.server.get(path, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def rows(self, learner):
        return self.store.query("SELECT kind, place, objective FROM summaries WHERE learner_id = (SELECT learner_id "
                                "FROM learners WHERE external_id = '%s') ORDER BY kind, place" % learner)

    def test_what_matters_today(self):
        data = self.get()
        self.assertEqual((data["user_id"], data["priority_objective_id"], data["insight_category"]),
                         ("ann", "sure", "dangerous_gap"))
        self.assertTrue(10 <= len(data["title"]) <= 100 and 50 <= len(data["description"]) <= 300)
        self.assertTrue(2 <= len(data["action_items"]) <= 4)
        self.assertEqual((data["estimated_time_minutes"], data["n"], data["confidences"]), (10, 40, 40))
        self.assertTrue(data["score_interval"]["low"] < data["score"] < data["score_interval"]["high"])
        self.assertAlmostEqual(data["calibration_delta"], 50, 1)
        self.assertGreater(data["calibration_interval"]["low"], 15)
        past = data["yesterday"]
        self.assertEqual((past["study_minutes"], past["n"], past["success"]), (40, 40, 40))
        self.assertAlmostEqual(past["usual_minutes"], 120 / 27, 1)
        self.assertEqual(past["usual_success"], 77.5)
        self.assertFalse(data["kept"])

    def test_the_week(self):
        items = self.get(WEEK)
        self.assertEqual([i["objective_id"] for i in items], ["sure", "old", "weak"])
        self.assertEqual([i["place"] for i in items], [1, 2, 3])
        for i in items:
            self.assertTrue(50 <= len(i["rationale"]) <= 200)
            self.assertIsNone(i["estimated_hours"])  # each on one day only: no gain can be seen
            self.assertTrue(i["reason"])
        two = self.get(WEEK, "bob")
        self.assertEqual(len(two), 3)
        self.assertEqual((two[2]["objective_id"], two[2]["estimated_hours"]), (None, None))
        self.assertTrue(two[2]["reason"])

    def test_a_get_keeps_nothing_and_a_post_does(self):
        self.server.events(practice("cid", "one", 2, 10, 3) + practice("cid", "two", 1, 10, 9))
        self.assertEqual(self.get(learner="cid")["priority_objective_id"], "one")
        self.get(WEEK, "cid")
        self.assertEqual(self.rows("cid"), [])
        made = self.server.post(DAY, {"user_id": "cid"})
        self.assertEqual(made.status, 200, made)
        self.assertTrue(made.json["kept"])
        self.assertEqual([tuple(map(str, r)) for r in self.rows("cid")], [("0", "1", "one")])
        # what was picked stands, though the answers have changed
        self.server.events(practice("cid", "one", 1, 60, 60, hour=12))
        self.assertEqual(self.get(learner="cid")["priority_objective_id"], "one")
        self.assertEqual(self.get(learner="cid")["generated_at"], made.json["generated_at"])
        self.server.post(DAY, {"userId": "cid"})
        self.assertNotEqual(self.get(learner="cid")["description"], made.json["description"])
        self.assertEqual(len(self.rows("cid")), 1)
        week = self.server.post(WEEK, {"userId": "cid"}).json
        self.assertEqual([i["kept"] for i in week], [True, True, False])
        self.assertEqual(len(self.rows("cid")), 3)
        self.assertEqual(self.get(WEEK, "cid"), week[:2] + [dict(week[2], generated_at=self.get(WEEK, "cid")[2]["generated_at"])])

    def test_thin_data_and_privacy(self):
        for path in (DAY, WEEK):
            data = self.get(path, "new")
            one = data if path == DAY else data[0]
            self.assertIsNone(one["priority_objective_id" if path == DAY else "objective_id"])
            self.assertTrue(one["reason"])
            off = self.get(path, "off")
            self.assertIn("switched", (off if path == DAY else off[0])["reason"])
            self.assertProblem(self.server.post(path, {"userId": "off"}), 403, "ANALYSIS_DISABLED")
            self.assertEqual(self.server.post(path, {"userId": "new"}).status, 200)
        self.assertEqual(self.get(learner="new")["needed"], {"graded": 2})
        self.assertEqual(self.rows("new"), [])

    def test_refusals(self):
        for path in (DAY, WEEK):
            self.assertProblem(self.server.get(path, query={"userId": "nobody"}), 404)
            self.assertProblem(self.server.post(path, {"userId": "nobody"}), 404)
            self.assertProblem(self.server.get(path, query={"userId": "ann"}, key=self.key("read", learner="bob")), 404)
            self.assertProblem(self.server.post(path, {"user_id": "ann"}, key=self.key("write", learner="bob")), 404)
            self.assertProblem(self.server.post(path, {"userId": "ann"}, key=self.key("read")), 403)
            self.assertProblem(self.server.post(path, {"userId": 7}), 400, field="userId")
            self.assertProblem(self.server.post(path, {"userId": "ann", "user_id": "bob"}), 400, field="userId")
            self.assertProblem(self.server.get(path, query={"user_id": ""}), 400, field="userId")
            self.assertEqual(self.server.get(path, query={"user_id": "ann"}).status, 200)
            self.assertEqual(self.server.post(path, key=self.key("write", learner="bob")).status, 200)
