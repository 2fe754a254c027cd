"""Texts on how learning works, with the learner's own numbers beside them."""
from tests.api.harness import both_engines, event
from tests.api.test_answers import at, session, text
from tests.api.test_summaries import practice

BASE = "/api/analytics/behavioral-insights/learning-science/"
SLUGS = ["spaced-repetition-science", "spacing-effect-science", "active-recall-benefits", "forgetting-curve-application",
         "vark-learning-styles", "cognitive-load-theory", "circadian-rhythms-optimal-timing", "metacognitive-awareness",
         "interleaved-practice-benefits"]


@both_engines
class Articles:
    flags = ("--no-night",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events(practice("ann", "one", 2, 10, 4, confidence=.9) + practice("ann", "two", 1, 10, 6) +
                          session("ann", "long", at(3, 10), 60, 5, 5) +
                          [event("ann", "review", at=text(at(1, 12, i)), item="c%d" % i, rating=1 if i < 2 else 3) for i in range(8)] +
                          [event("ann", "load", at=text(at(1, 13)), data={"loadScore": 40}),
                           event("ann", "load", at=text(at(1, 14)), data={"loadScore": 60})])
        cls.server.events([event("new", "activity"), event("off")])
        cls.server.request("PATCH", "/api/user/privacy", {"userId": "off", "behavioralAnalysisEnabled": False})

    def get(self, slug, learner="ann"):
        reply = self.server.get(BASE + slug, query={"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def figures(self, slug, learner="ann"):
        return {f["name"]: f for f in self.get(slug, learner)["personalizedSections"]["yourData"]}

    def test_every_article_is_whole(self):
        for slug in SLUGS:
            with self.subTest(slug=slug):
                article = self.get(slug)["article"]
                self.assertEqual((article["slug"], article["id"]), (slug, slug))
                self.assertIn(article["category"], ("MEMORY", "ATTENTION", "MOTIVATION", "METACOGNITION", "LEARNING_STRATEGIES"))
                paragraphs = article["content"].split("\n\n")
                self.assertGreaterEqual(len(paragraphs), 4)
                self.assertTrue(all(len(p) > 100 for p in paragraphs))
                self.assertNotIn("<", article["content"])
                self.assertGreaterEqual(article["readingTime"], 1)
                self.assertGreaterEqual(len(article["sources"]), 2)
                for source in article["sources"]:
                    self.assertTrue(source["url"].startswith("https://doi.org/10."), source)
                    self.assertTrue(1880 < source["year"] < 2030 and source["authors"] and source["title"])
                self.assertTrue(self.get(slug)["personalizedSections"]["yourData"])
                self.assertTrue(article["personalizedContent"])

    def test_the_numbers_are_the_learners(self):
        recall = self.figures("active-recall-benefits")["recall"]
        self.assertEqual((recall["value"], recall["n"], recall["unit"]), (75, 8, "%"))
        self.assertTrue(recall["interval"]["low"] < 75 < recall["interval"]["high"])
        answers = self.figures("active-recall-benefits")["answers"]
        self.assertEqual((answers["value"], answers["n"]), (60, 25))
        self.assertEqual(self.figures("spacing-effect-science")["activeDays"]["value"], 10)  # 3 of 30
        gap = self.figures("metacognitive-awareness")["overconfidence"]
        self.assertEqual((gap["value"], gap["n"]), (50, 10))
        load = self.figures("cognitive-load-theory")["load"]
        self.assertEqual((load["value"], load["n"]), (50, 2))
        mix = self.figures("interleaved-practice-benefits")["objectivesPerSession"]
        self.assertEqual((mix["value"], mix["n"]), (.67, 3))  # two of three tell one
        half_life = self.figures("forgetting-curve-application")["halfLife"]
        self.assertIsNone(half_life["value"])
        self.assertTrue(half_life["reason"])
        self.assertIsNone(self.figures("circadian-rhythms-optimal-timing")["bestHour"]["value"])

    def test_nothing_is_made_up(self):
        for slug in SLUGS:
            for name, figure in self.figures(slug, "new").items():
                self.assertIsNone(figure["value"], (slug, name, figure)) if name != "activeDays" else None
        off = self.get(SLUGS[0], "off")
        self.assertEqual(off["personalizedSections"]["yourData"], [])
        self.assertIn("switched", off["personalizedSections"]["reason"])

    def test_reading_is_said_by_a_post(self):
        slug = SLUGS[1]
        self.assertEqual(self.get(slug)["readStatus"], {"hasRead": False, "firstReadAt": None, "lastReadAt": None,
                                                        "completedRead": False, "helpful": None, "rating": None})
        one = self.server.post(BASE + slug, {"userId": "ann", "completed": True, "rating": 4}).json["data"]["readStatus"]
        self.assertEqual((one["hasRead"], one["completedRead"], one["rating"], one["helpful"]), (True, True, 4, None))
        two = self.server.post(BASE + slug, {"userId": "ann", "helpful": True}).json["data"]["readStatus"]
        self.assertEqual((two["firstReadAt"], two["completedRead"], two["rating"], two["helpful"]),
                         (one["firstReadAt"], True, 4, 1))
        self.assertEqual(self.get(slug)["readStatus"], two)
        self.assertFalse(self.get(SLUGS[2])["readStatus"]["hasRead"])

    def test_refusals(self):
        for method in ("GET", "POST"):
            def ask(slug, learner, **kw):
                if method == "GET":
                    return self.server.get(BASE + slug, query={"userId": learner}, **kw)
                return self.server.post(BASE + slug, {"userId": learner}, **kw)
            self.assertProblem(ask("astrology", "ann"), 404, "ARTICLE_NOT_FOUND")
            self.assertProblem(ask("x" * 65, "ann"), 400, field="articleId")
            self.assertProblem(ask(SLUGS[0], "nobody"), 404)
            scope = "read" if method == "GET" else "write"
            self.assertProblem(ask(SLUGS[0], "ann", key=self.key(scope, learner="bob")), 404)
            self.assertProblem(ask(SLUGS[0], "ann", key=self.key("ingest")), 403)
        self.assertProblem(self.server.post(BASE + SLUGS[0], {"userId": "off"}), 403, "ANALYSIS_DISABLED")
        for body in ({"rating": 0}, {"rating": 6}, {"rating": "5"}, {"helpful": 1}, {"completed": "yes"}):
            self.assertProblem(self.server.post(BASE + SLUGS[0], {"userId": "ann", **body}), 400, field=next(iter(body)))
