"""Goals: set, measured, reported on, reached; one writer at a time."""
import datetime

from tests.api.harness import both_engines
from tests.api.test_answers import at, session

GOALS = "/api/analytics/behavioral-insights/goals"


def ahead(days, zone="Z"):
    t = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return t.strftime("%Y-%m-%dT%H:%M:%S") + zone


@both_engines
class Goals:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deadline = ahead(20)
        for learner in ("ann", "bob"):
            for day in (2, 3, 5):
                cls.server.events(session(learner, "s%d" % day, at(day, 10), 30, 10, 8))

    def make(self, learner="ann", headers=None, **body):
        body = {"goalType": "CUSTOM", "targetValue": 10, "deadline": ahead(20), **body}
        return self.server.post(GOALS, {"userId": learner, **body}, headers=headers)

    def progress(self, goal, learner="ann", **body):
        return self.server.request("PATCH", "%s/%s/progress" % (GOALS, goal["id"]), {"userId": learner, **body})

    def test_life(self):
        reply = self.make(title="Read ten papers", deadline=ahead(20, "+02:00"))
        self.assertEqual(reply.status, 201, reply)
        goal = reply.json["data"]["goal"]
        self.assertEqual((goal["status"], goal["currentValue"], goal["version"], goal["progress"]), ("ACTIVE", 0, 1, 0))
        step = self.progress(goal, currentValue=5, note="half").json["data"]
        self.assertFalse(step["completed"])
        self.assertEqual((step["goal"]["progress"], step["goal"]["version"]), (0.5, 2))
        self.assertProblem(self.progress(goal, currentValue=6, version=1), 409, "VERSION_CONFLICT")
        for value in (6, 8):
            self.assertEqual(self.progress(goal, currentValue=value).status, 200)
        detail = self.server.get("%s/%s" % (GOALS, goal["id"]), query={"userId": "ann"}).json["data"]
        self.assertEqual([p["value"] for p in detail["progressHistory"]], [0, 5, 6, 8])
        self.assertEqual(detail["progressHistory"][1]["note"], "half")
        self.assertEqual(len(detail["recentActivity"]), 3)
        self.assertTrue(detail["projectedCompletion"])
        self.assertTrue(self.progress(goal, currentValue=10, version=4).json["data"]["completed"])
        self.assertProblem(self.progress(goal, currentValue=11), 409, "INVALID_STATUS")
        listed = self.server.get(GOALS, query={"userId": "ann"}).json["data"]["goals"]
        self.assertEqual(next(g for g in listed if g["id"] == goal["id"])["status"], "COMPLETED")

    def test_measured(self):
        goal = self.make(goalType="ENHANCE_CONSISTENCY", targetValue=6).json["data"]["goal"]
        self.assertEqual((goal["targetMetric"], goal["startValue"]), ("activeDaysPerWeek", 3))
        goal = self.make(goalType="REDUCE_STRUGGLE", targetValue=10).json["data"]["goal"]
        self.assertEqual((goal["startValue"], goal["rising"]), (20, False))
        goal = self.make(goalType="SESSION_DURATION", targetValue=20).json["data"]["goal"]
        self.assertEqual((goal["startValue"], goal["rising"]), (30, False))
        self.assertProblem(self.make(goalType="INCREASE_RETENTION", targetValue=80), 400, "INVALID_TARGET_VALUE")
        self.assertProblem(self.make(goalType="RETENTION_IMPROVEMENT", targetValue=7), 422, "INSUFFICIENT_DATA")

    def test_a_repeat_makes_no_second(self):
        one, two, other = (self.make("bob", headers={"Idempotency-Key": k}, deadline=self.deadline).json["data"]["goal"]
                           for k in ("k1", "k1", "k2"))
        self.assertEqual(one["id"], two["id"])
        self.assertNotEqual(one["id"], other["id"])

    def test_refusals(self):
        goal = self.make().json["data"]["goal"]
        self.assertProblem(self.progress(goal, "bob", currentValue=1), 404)
        self.assertProblem(self.server.get(GOALS + "/" + goal["id"], query={"userId": "bob"}), 404)
        self.assertProblem(self.server.get(GOALS + "/none", query={"userId": "ann"}), 404)
        self.assertProblem(self.server.get(GOALS, query={"userId": "nobody"}), 404)
        self.assertProblem(self.progress(goal), 400, field="currentValue")
        self.assertProblem(self.progress(goal, currentValue="1"), 400, field="currentValue")
        for field, value in (("goalType", "MOOD"), ("goalType", None), ("targetMetric", "x"), ("targetValue", 0),
                             ("targetValue", "1"), ("deadline", "tomorrow"), ("deadline", ahead(-1)),
                             ("deadline", ahead(91)), ("title", ""), ("title", "x" * 501)):
            with self.subTest(field=field, value=str(value)[:30]):
                self.assertProblem(self.make(**{field: value}), 400, field=field)
        self.assertProblem(self.server.post(GOALS, {"targetValue": 1}, key=self.key("read", learner="ann")), 403)
        self.assertProblem(self.server.get(GOALS, query={"userId": "ann"}, key=self.key("read", learner="bob")), 404)
