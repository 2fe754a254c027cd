"""How missions went: rates, courses, comparisons, advice."""
import unittest

from tests.api.harness import both_engines, event
from tests.api.test_answers import at, date, text

BASE = "/api/analytics/missions/"


def mission(learner, days_ago, done, total=4, minutes=30, right=None, closed=True):
    """A mission of a day: its plan, a session of ten answers if `right` says how many, its end."""
    name = "m%d" % days_ago
    out = [event(learner, "mission_created", at=text(at(days_ago, 8)), mission=name, data={
        "date": date(days_ago), "estimatedMinutes": minutes, "objectives": [{"objectiveId": "o%d" % i} for i in range(total)]})]
    out += [event(learner, "objective_completed", at=text(at(days_ago, 11)), mission=name, objective="o%d" % i)
            for i in range(done)]
    if right is not None:
        session = "s%d" % days_ago
        out.append(event(learner, "session_started", at=text(at(days_ago, 9)), session=session, mission=name))
        out += [event(learner, "answer", at=text(at(days_ago, 9, i + 1)), session=session, item="i%d" % i, correct=i < right)
                for i in range(10)]
        out.append(event(learner, "session_completed", at=text(at(days_ago, 9, 30)), session=session))
    if closed and done == total:
        out.append(event(learner, "mission_completed", at=text(at(days_ago, 12)), mission=name))
    return out


def free(learner, days_ago, right):
    session = "f%d" % days_ago
    return ([event(learner, "session_started", at=text(at(days_ago, 15)), session=session)] +
            [event(learner, "answer", at=text(at(days_ago, 15, i + 1)), session=session, item="i%d" % i, correct=i < right)
             for i in range(10)] +
            [event(learner, "session_completed", at=text(at(days_ago, 15, 30)), session=session)])


@both_engines
class MissionAnalytics:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events([event("new", "activity")])
        # twenty days; the more is done, the better the sessions go; free study goes worse
        for d in range(20, 0, -1):
            cls.server.events(mission("ann", d, 4 if d % 4 else 1, right=9 if d % 4 else 5) + free("ann", d, 4))
        for d in range(20, 0, -1):  # hardly ever done
            cls.server.events(mission("bob", d, 4 if d == 10 else 0))
        cls.server.events([event("cid", "mission_created", at=text(at(3, 8)), mission="old", data={"date": date(3)}),
                           event("cid", "mission_skipped", at=text(at(3, 9)), mission="old")] + mission("cid", 3, 4))

    def get(self, what, learner="ann", **query):
        reply = self.server.get(BASE + what, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_summary(self):
        data = self.get("summary", period="30d")
        self.assertEqual((data["missions"], data["completionRate"]), ({"completed": 15, "skipped": 0, "total": 20}, .75))
        self.assertEqual(data["streak"], {"current": 3, "longest": 3})
        self.assertLess(data["completionInterval"]["low"], .75)
        # of a completed one: all objectives, nine of ten answers, 30 of 30 minutes, no opinion, and one, two or three
        # days in a row
        self.assertAlmostEqual(data["successScore"], (.3 + .25 * .9 + .2 + .1 * .2) / .85, 3)
        versus = data["comparison"]
        self.assertEqual((versus["missionGuided"]["sessions"], versus["freeStudy"]["sessions"]), (20, 20))
        self.assertGreater(versus["improvementPercentage"], 20)
        self.assertLess(versus["pValue"], .01)
        self.assertEqual(versus["confidence"], "HIGH")
        week = self.get("summary")
        self.assertEqual(week["missions"]["total"], 6)  # today's is not there, and the seventh day is today

    def test_a_replaced_mission_was_not_skipped(self):
        self.assertEqual(self.get("summary", "cid")["missions"], {"completed": 1, "skipped": 0, "total": 1})
        self.assertIsNone(self.get("summary", "cid")["comparison"]["pValue"])

    def test_correlation(self):
        data = self.get("correlation")
        self.assertEqual(len(data["dataPoints"]), data["sampleSize"])
        self.assertGreater(data["correlationCoefficient"], .8)
        self.assertLess(data["pValue"], .05)
        thin = self.get("correlation", "cid")
        self.assertEqual((thin["correlationCoefficient"], thin["pValue"], thin["needed"]), (None, None, 7))
        self.assertTrue(thin["reason"])

    def test_trends(self):
        data = self.get("trends")
        self.assertEqual((len(data["data"]), data["data"][-1]["date"]), (30, date(0)))
        self.assertEqual([d["value"] for d in data["data"][-6:]], [1, 0, 1, 1, 1, None])
        weekly = self.get("trends", granularity="weekly", startDate="2024-12-30", endDate="2025-01-06")["data"]
        self.assertEqual([(d["date"], d["periodStart"], d["n"]) for d in weekly],
                         [("2025-W01", "2024-12-30", 0), ("2025-W02", "2025-01-06", 0)])
        monthly = self.get("trends", granularity="monthly", startDate="2025-01-15", endDate="2025-03-01")["data"]
        self.assertEqual([d["date"] for d in monthly], ["2025-01", "2025-02", "2025-03"])
        minutes = self.get("trends", metric="avg_duration", period="7d")["data"]
        self.assertEqual([d["value"] for d in minutes], [30, 30, None, 30, 30, 30, None])

    def test_recommendations(self):
        data = self.get("recommendations", "bob")
        self.assertEqual((data["n"], [r["type"] for r in data["recommendations"]]), (14, ["DURATION"]))
        self.assertEqual(data["recommendations"][0]["value"]["duration"], 26)
        self.assertEqual(self.get("recommendations")["recommendations"], [])
        self.assertEqual(self.get("recommendations", "cid")["needed"], 6)

    def test_nothing_yet(self):
        data = self.get("summary", "new")
        self.assertEqual((data["completionRate"], data["successScore"], data["comparison"]["pValue"]), (None, None, None))
        self.assertTrue(data["reason"])

    def test_refuses(self):
        for what, field, query in (("summary", "period", {"period": "1y"}), ("trends", "metric", {"metric": "x"}),
                                   ("trends", "granularity", {"granularity": "x"}), ("trends", "startDate", {"startDate": "x"}),
                                   ("trends", "endDate", {"endDate": "2025-02-30"}),
                                   ("trends", "startDate", {"startDate": "2025-02-01", "endDate": "2025-01-01"}),
                                   ("trends", "startDate", {"startDate": "2000-01-01", "endDate": "2025-01-01"})):
            with self.subTest(what=what, query=query):
                self.assertProblem(self.server.get(BASE + what, query={"userId": "ann", **query}), 400, field=field)
        for what in ("summary", "trends", "correlation", "recommendations"):
            self.assertProblem(self.server.get(BASE + what, query={"userId": "nobody"}), 404)
            key = self.key("read", learner="bob")
            self.assertEqual(self.server.get(BASE + what, query={"userId": "ann"}, key=key).status, 404)


if __name__ == "__main__":
    unittest.main()
