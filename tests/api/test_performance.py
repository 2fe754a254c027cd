"""The server's own record of its forecasts: by values computed here, in any order of arrival."""
import math
import unittest

from tests.api.harness import both_engines, event

W = [0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796,
     1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542]
FACTOR = 0.9 ** (1 / -W[20]) - 1
CARDS = 40
PATH = "/api/analytics/model-performance"


def second_recall(grade, days):
    """FSRS-6 for a card's second review, after a first one with `grade`."""
    return (1 + FACTOR * days / W[grade - 1]) ** -W[20]


def story(learner):
    """Each card twice: first good or again, then after one to four days; two thirds remembered."""
    events, outcomes = [], []
    for i in range(CARDS):
        first, days, second = (3, 1)[i % 2], 1 + i % 4, (1, 3, 4)[i % 3]
        events.append(event(learner, "review", at="2025-03-01T12:%02d:00Z" % i, item="card%d" % i, rating=first))
        events.append(event(learner, "review", at="2025-03-%02dT12:%02d:00Z" % (1 + days, i), item="card%d" % i,
                            rating=second))
        outcomes.append((second_recall(first, days), second > 1))
    return events, outcomes


@both_engines
class Performance:
    def figures(self, learner):
        reply = self.server.get(PATH, query={"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def test_thin_data_says_so(self):
        self.server.events([event("thin", "review", item="c", rating=3)])
        data = self.figures("thin")
        self.assertEqual(data["dataPoints"], 0)
        self.assertIsNone(data["accuracy"])
        self.assertIsNone(data["metrics"]["precision"])
        self.assertIsNone(data["confusionMatrix"])
        self.assertEqual(data["reliabilityBins"], [])
        self.assertIn("Too few", data["reason"])
        self.assertEqual(data["needed"]["graded"], 30)

    def test_overall_is_for_administrators(self):
        reply = self.server.get(PATH + "/all")
        self.assertEqual(reply.status, 200, reply)
        for part in ("recall", "answers", "predictions"):
            figures = reply.json["data"][part]
            self.assertEqual(figures["dataPoints"], 0)  # nobody's night has come
            self.assertIsNone(figures["aucRoc"])
            self.assertIn("Too few", figures["reason"])
        key = self.key("read", learner="ann")
        self.assertProblem(self.server.get(PATH + "/all", key=key), 403)

    def check(self, learner, outcomes):
        data = self.figures(learner)
        n, share = len(outcomes), sum(y for _, y in outcomes) / len(outcomes)
        self.assertEqual(data["dataPoints"], n)
        self.assertIsNone(data["reason"])
        self.assertAlmostEqual(data["brier"], sum((p - y) ** 2 for p, y in outcomes) / n, places=3)
        self.assertAlmostEqual(data["logLoss"], -sum(math.log(p if y else 1 - p) for p, y in outcomes) / n, places=3)
        self.assertAlmostEqual(data["bias"], sum(p for p, _ in outcomes) / n - share, places=3)
        self.assertAlmostEqual(data["baseline"]["share"], share, places=3)
        self.assertAlmostEqual(data["baseline"]["brier"], share * (1 - share), places=3)
        self.assertEqual(sum(data["confusionMatrix"].values()), n)
        self.assertEqual(data["confusionMatrix"]["truePositive"], sum(p >= 0.5 and y for p, y in outcomes))
        self.assertEqual(data["metrics"]["precision"], data["precision"])
        self.assertEqual(sum(b["n"] for b in data["reliabilityBins"]), n)
        for b in data["reliabilityBins"]:
            self.assertLessEqual(b["interval"]["low"], b["observed"])
            self.assertLessEqual(b["observed"], b["interval"]["high"])
        return data

    def test_figures_are_those_of_the_outcomes(self):
        events, outcomes = story("ann")
        self.server.events(events)
        data = self.check("ann", outcomes)
        self.assertLess(data["aucInterval"]["low"], data["aucRoc"])

    def test_late_reviews_change_nothing_in_the_end(self):
        events, outcomes = story("late")
        self.server.events(events[1::2])  # the second reviews first: nothing to judge yet
        self.assertEqual(self.figures("late")["dataPoints"], 0)
        self.server.events(events[0::2])
        self.check("late", outcomes)

    def test_without_analysis(self):
        self.server.events([event("shy", "review", item="c", rating=3)])
        self.server.request("PATCH", "/api/user/privacy", query={"userId": "shy"},
                            body={"behavioralAnalysisEnabled": False})
        data = self.figures("shy")
        self.assertIsNone(data["accuracy"])
        self.assertIsNone(data["needed"])
        self.assertTrue(data["reason"])


if __name__ == "__main__":
    unittest.main()
