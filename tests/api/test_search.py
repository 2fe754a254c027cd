"""Searches: sums of events, window by window, and clicks."""
import unittest

from tests.api.harness import both_engines, event, run
from tests.api.test_answers import at, text

BASE = "/api/search/"


def search(learner, days_ago, query, results=None, ms=None, **kw):
    data = {"query": query, "results": results, "responseTimeMs": ms, **kw}
    return event(learner, "search", at=text(at(days_ago, 9)), data={k: v for k, v in data.items() if v is not None})


@both_engines
class Search:
    flags = ("--quarantine",)

    def get(self, learner, **query):
        reply = self.server.get(BASE + "analytics", query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def click(self, learner="ann", **body):
        return self.server.post(BASE + "clicks", {"userId": learner, "resultId": "r1", "position": 1, **body})

    def test_analytics(self):
        events = [search("ann", 1, "  Heart  Valves", 10, 100 + i) for i in range(20)]
        events += [search("ann", 2, "heart valves", 30, 200)] + [search("ann", 2, "xyz", 0, 50) for _ in range(3)]
        events += [search("ann", 40, "old", 5), search("ann", 1, "untold")]
        self.server.events(events)
        data = self.get("ann")
        first = data["popularSearches"][0]
        self.assertEqual((first["query"], first["count"]), ("heart valves", 21))
        self.assertAlmostEqual(first["avgResults"], 230 / 21, 2)
        self.assertEqual([p["query"] for p in data["popularSearches"]], ["heart valves", "xyz", "untold"])
        self.assertIsNone(data["popularSearches"][2]["avgResults"])
        self.assertEqual([(z["query"], z["count"]) for z in data["zeroResultQueries"]], [("xyz", 3)])
        self.assertEqual(data["zeroResultQueries"][0]["lastSearched"], text(at(2, 9)).replace("Z", ".000Z"))
        speed = data["performanceMetrics"]
        self.assertEqual((speed["totalSearches"], speed["n"]), (25, 24))
        self.assertAlmostEqual(speed["avgResponseTimeMs"], (sum(range(100, 120)) + 200 + 150) / 24, 2)
        self.assertAlmostEqual(speed["p95ResponseTimeMs"], 119, delta=6)
        self.assertEqual(self.get("ann", timeWindowDays=90)["performanceMetrics"]["totalSearches"], 26)
        self.assertEqual(self.get("ann", timeWindowDays=2)["performanceMetrics"]["totalSearches"], 21)
        self.assertEqual(data["ctrAnalytics"]["overallCTR"], 0)
        none = self.get("ann", timeWindowDays=1)
        self.assertEqual((none["ctrAnalytics"]["overallCTR"], none["performanceMetrics"]["p95ResponseTimeMs"], bool(none["reason"])),
                         (None, None, True))

    def test_clicks(self):
        events = [search("bob", 0, "Bones", 3) for _ in range(4)] + [search("bob", 0, "skin", 50)]
        self.server.events(events)
        for _ in range(2):  # two results of one search: one search with a click
            reply = self.click("bob", searchQueryId=events[0]["id"], position=2, resultType="lecture", similarity=.8)
            self.assertEqual((reply.status, reply.json["data"]["recorded"]), (201, True), reply)
        self.assertEqual(self.click("bob", searchQueryId=events[4]["id"], position=5).status, 201)
        self.assertEqual(self.click("bob", query="BONES", position=1).status, 201)
        data = self.get("bob")
        ctr = data["ctrAnalytics"]
        self.assertEqual((ctr["totalSearches"], ctr["totalClicks"], ctr["searchesWithClick"], ctr["overallCTR"]), (5, 4, 3, .6))
        self.assertTrue(ctr["interval"]["low"] < .6 < ctr["interval"]["high"])
        places = {p["position"]: p for p in ctr["byPosition"]}
        self.assertEqual(sorted(places), list(range(1, 21)))
        self.assertEqual((places[2]["impressions"], places[2]["clicks"], places[2]["ctr"]), (5, 2, .4))
        self.assertEqual((places[5]["impressions"], places[5]["ctr"], places[4]["ctr"]), (1, 1, 0))
        self.assertEqual({p["query"]: p["clicks"] for p in data["popularSearches"]}, {"bones": 3, "skin": 1})
        body = {"userId": "bob", "resultId": "r1", "position": 1, "query": "bones"}
        first, again = (self.server.post(BASE + "clicks", body, headers={"Idempotency-Key": "k"}) for _ in range(2))
        self.assertEqual(first.body, again.body)
        self.assertEqual(self.get("bob")["ctrAnalytics"]["totalClicks"], 5)

    def test_refusals(self):
        mine = search("cid", 0, "mine", 1)
        self.server.events([mine, event("dan", "activity")])
        self.assertProblem(self.click("dan", searchQueryId=mine["id"]), 404, "SEARCH_NOT_FOUND")
        self.assertProblem(self.click("cid", searchQueryId="none"), 404, "SEARCH_NOT_FOUND")
        self.assertProblem(self.click("cid"), 400, field="searchQueryId")
        for field, values in (("resultId", ("", None, 1)), ("position", (0, -1, "1", None, 1.5)), ("similarity", (2, "x")),
                              ("resultType", ("", "x" * 65)), ("query", ("", 1))):
            for value in values:
                with self.subTest(field=field, value=str(value)[:20]):
                    self.assertProblem(self.click("cid", **{"query": "q", field: value}), 400, field=field)
        for days in (0, 366, -1, "x", ""):
            self.assertProblem(self.server.get(BASE + "analytics", query={"userId": "cid", "timeWindowDays": days}), 400,
                               field="timeWindowDays")
        self.assertProblem(self.server.get(BASE + "analytics", query={"userId": "cid"}, key=self.key("read", learner="dan")), 404)
        self.assertProblem(self.server.post(BASE + "clicks", {}, key=self.key("read", learner="dan")), 403)
        reply = self.server.post("/api/events", search("cid", 0, "q", -1))
        self.assertIn("data.results", str(reply.json))

    def test_what_was_refused_is_paged(self):
        self.server.events([search("ned", 1, "q", 3)])
        for _ in range(3):
            self.server.post("/api/events", search("ned", 1, "q", -1))
        first = self.server.get("/api/events/quarantine", query={"limit": 2})
        link = first.headers["Link"]
        rest = self.server.get(link[1:link.index(">")])
        ids = [row["id"] for reply in (first, rest) for row in reply.json["data"]["items"]]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertGreaterEqual(len(ids), 3)

    def test_privacy_and_rebuild(self):
        self.server.events([search("eve", day, "Q%d" % (day % 3), day, 9 * day) for day in range(30)] +
                           [search("eve", 3, "ä" * 150, 1), search("eve", 3, "\t", 1)])
        done = run("rebuild", "--verify", "--database", self.store.url)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.get("eve")["performanceMetrics"]["totalSearches"], 32)
        self.server.request("PATCH", "/api/user/privacy", {"userId": "eve", "behavioralAnalysisEnabled": False})
        data = self.get("eve")
        self.assertEqual((data["popularSearches"], data["ctrAnalytics"]["totalSearches"]), ([], 0))
        self.assertIn("switched", data["reason"])
        self.assertProblem(self.click("eve", query="q"), 403, "ANALYSIS_DISABLED")


if __name__ == "__main__":
    unittest.main()
