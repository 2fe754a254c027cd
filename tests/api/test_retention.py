"""What the nights learn of a learner's memory, and that answers about cards go by it."""
import datetime
import json
import time

from tests.api.harness import Server, both_engines, event, run, wait_until

NOW = datetime.datetime.now(datetime.timezone.utc)
CARDS, ROUNDS = 12, 10
CATALOG = [{"type": "course", "course": "c1", "name": "Anatomy"},
           {"type": "objective", "objective": "o1", "course": "c1", "name": "Bones"}] + [
    {"type": "item", "item": "card%d" % i, "course": "c1", "objective": "o1"} for i in range(CARDS)]


def days_ago(days, minute):
    return (NOW - datetime.timedelta(days=days, minutes=-minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def story(learner):
    """Forgets a third of all cards after a week: worse than the published weights have it."""
    return [event(learner, "review", at=days_ago(7 * (ROUNDS - k), i), item="card%d" % i, objective="o1", course="c1",
                  rating=1 if k and (i + k) % 3 == 0 else 3) for k in range(ROUNDS) for i in range(CARDS)]


@both_engines
class Retention:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.while_down("import", "catalog", "-", stdin="\n".join(map(json.dumps, CATALOG)))

    @classmethod
    def while_down(cls, *command, **kw):
        assert cls.server.stop() == 0
        done = run(*command, "--database", cls.store.url, **kw)
        assert done.returncode == 0, done.stderr
        cls.server = Server(cls.store.url).start()

    def night(self, learner):
        """A server that starts looks at once who is due."""
        self.assertEqual(self.server.stop(), 0)
        self.store.execute("UPDATE learners SET night_at = 1 WHERE external_id = '%s'" % learner)
        type(self).server = Server(self.store.url).start()
        wait_until(lambda: int(self.store.query("SELECT night_at FROM learners WHERE external_id = '%s'" % learner)[0][0])
                   > time.time() * 1e6, 60, "the night of %s" % learner)

    def cards(self, learner):
        reply = self.server.get("/api/objectives/o1", query={"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]["cards"]

    def figures(self, learner):
        return self.server.get("/api/analytics/model-performance", query={"userId": learner}).json["data"]

    def test_from_the_first_night_on(self):
        self.server.events(story("ann"))
        before, figures = self.cards("ann"), self.figures("ann")
        self.assertEqual((before["n"], before["own"], before["learntFrom"], before["interval"]), (CARDS, 0, 0, None))
        self.assertIn("published", before["method"])
        self.assertEqual((figures["modelVersion"], figures["recallBaseline"]["logLoss"]), ("fsrs-6-default", figures["logLoss"]))
        self.night("ann")
        after, figures = self.cards("ann"), self.figures("ann")
        judged = CARDS * (ROUNDS - 1)
        self.assertEqual((after["n"], after["own"], after["learntFrom"]), (CARDS, CARDS, judged))
        self.assertLess(after["meanRecall"], before["meanRecall"])
        self.assertLess(after["interval"]["low"], after["meanRecall"])
        self.assertGreater(after["interval"]["high"], after["meanRecall"])
        self.assertIn("average", after["method"])
        self.assertEqual((figures["modelVersion"], figures["dataPoints"]), ("retention-1", judged))
        self.assertEqual((figures["recallBaseline"]["modelVersion"], figures["recallBaseline"]["dataPoints"]),
                         ("fsrs-6-default", judged))
        self.assertLess(figures["logLoss"], figures["recallBaseline"]["logLoss"])
        self.assertEqual(sum(b["n"] for b in figures["reliabilityBins"]), judged)
        audit = run("audit", "--database", self.store.url)
        self.assertEqual(audit.returncode, 0, audit.stderr)
        models = {line.split("\t")[2] for line in audit.stdout.splitlines()[1:]}
        self.assertEqual(models, {"doppel", "fsrs-6-default", "share"})

        # a card that was reviewed since goes by the published weights, is not due, and the rest stays
        item = self.store.query("SELECT c.item FROM cards c JOIN learners l ON l.learner_id = c.learner_id "
                                "WHERE l.external_id = 'ann' ORDER BY c.due_day LIMIT 1")[0][0]
        self.server.events([event("ann", "review", at=days_ago(0, 0), item=item, objective="o1", course="c1", rating=3)])
        since = self.cards("ann")
        self.assertEqual((since["own"], since["interval"], since["due"]), (CARDS - 1, None, after["due"] - 1))
        self.night("ann")
        self.assertEqual(self.cards("ann")["own"], CARDS)

    def test_what_is_due_goes_by_it(self):
        self.server.events(story("due"))
        self.night("due")
        rows = self.store.query("SELECT c.due_day, c.memory_day, c.retained_reviews, c.memory_reviews FROM cards c JOIN learners l "
                                "ON l.learner_id = c.learner_id WHERE l.external_id = 'due'")
        self.assertEqual(len(rows), CARDS)
        today = int(time.time() // 86400)
        for row in rows:
            self.assertGreater(int(row[0]), int(row[1]))
            self.assertEqual(row[2], row[3])
        due = sum(int(row[0]) <= today for row in rows)
        self.assertEqual(self.cards("due")["due"], due)
        objective = self.server.get("/api/objectives", query={"userId": "due"}).json["data"]["objectives"][0]
        self.assertEqual(objective["dueCards"], due)
        foresight = self.server.post("/api/analytics/predictions", {"userId": "due"}).json
        self.assertEqual(foresight["forgetting_n"], CARDS * (ROUNDS - 1))
        self.assertEqual([f["objective_id"] for f in foresight["forgetting_risks"]], ["o1"] * (due > 0))
        self.assertIn("average", foresight["forgetting_method"])

    def test_late_ones_and_rebuilds(self):
        events = story("late")
        self.server.events(events[:50] + events[60:])
        self.night("late")
        self.server.events(events[50:60])
        self.night("late")
        late = self.cards("late")
        self.server.events(story("prompt"))
        self.night("prompt")
        self.assertEqual(late, self.cards("prompt"))
        self.while_down("rebuild")
        self.assertLessEqual(self.cards("late")["own"], CARDS)
        self.night("late")
        self.assertEqual(late, self.cards("late"))

    def test_export_and_erasure(self):
        self.server.events(story("eve"))
        self.night("eve")
        data = self.server.get("/api/analytics/export", query={"userId": "eve"}).json
        self.assertEqual(data["retention"][0]["judged"], CARDS * (ROUNDS - 1))
        self.assertTrue(all(card["retained"] and card["dueDay"] for card in data["cards"]))
        learner = self.store.query("SELECT learner_id FROM learners WHERE external_id = 'eve'")[0][0]
        reply = self.server.request("PATCH", "/api/user/privacy", {"userId": "eve", "behavioralAnalysisEnabled": False})
        self.assertEqual(reply.status, 200, reply)
        for table in ("retentions", "cards", "audits"):
            rows = self.store.query("SELECT count(*) FROM %s WHERE learner_id = %s" % (table, learner))
            self.assertEqual(int(rows[0][0]), 0, table)
