"""A scheduler elsewhere starts the nights that are due."""
from tests.api.harness import Server, both_engines, event, wait_until

CRON = "/api/cron/weekly-pattern-analysis"
SECRET = "s3cret-of-a-scheduler"


@both_engines
class Cron:
    flags = ("--cron-secret", SECRET)
    dev = False

    def ask(self, method="POST", key=SECRET, **kw):
        return self.server.request(method, CRON, key=key, **kw)

    def test_nights_are_begun(self):
        # the first look was when the server began, the next is half a minute away
        self.server.events([event("ann"), event("bob")], key=self.key("ingest"))
        reply = self.ask()
        self.assertEqual(reply.status, 202, reply)
        self.assertTrue(reply.json["success"])
        self.assertEqual(reply.json["results"]["totalUsers"], 2)
        wait_until(lambda: self.ask("GET").json["results"]["due"] == 0, 60, "the night of all")
        done = self.ask("GET").json["results"]
        self.assertEqual((done["analyzed"], done["skipped"], done["insufficientData"]), (2, 2, 0))
        wait_until(lambda: self.ask("GET").json["results"]["nightsDone"] >= 2, 60, "the count of it")
        self.assertEqual(self.ask("GET").json["results"]["errors"], 0)

    def test_who_may(self):
        for method in ("GET", "POST"):
            self.assertProblem(self.ask(method, key=None), 401)
            for wrong in (SECRET[:-1], SECRET + "x", SECRET[:-1] + "X", "", "x" * 5000):
                self.assertProblem(self.ask(method, key=wrong), 401)
            self.assertProblem(self.ask(method, key=self.key("read")), 403)
            self.assertIn(self.ask(method, key=self.key("admin")).status, (200, 202))
        self.assertProblem(self.server.get("/api/analytics/patterns", query={"userId": "ann"}, key=SECRET), 401)

    def test_without_a_secret_or_nights(self):
        for secret in ("", "short"):
            server = Server(self.store.url, "--no-night", *(["--cron-secret", secret] if secret else []),
                            dev=False).start() if self.engine == "postgres" else None
            if not server:  # one server alone uses an SQLite file
                type(self).server.stop()
                server = Server(self.store.url, "--no-night", *(["--cron-secret", secret] if secret else []), dev=False).start()
            try:
                self.assertProblem(server.post(CRON, key=secret or "x"), 401)
                admin = self.key("admin")
                self.assertProblem(server.post(CRON, key=admin), 409, "NIGHTS_OFF")
                self.assertIsNone(server.get(CRON, key=admin).json["results"]["nightsDone"])
                self.assertEqual("serve.cron_secret" in server.log_text(), bool(secret), "what is not used is told")
            finally:
                self.assertEqual(server.stop(), 0)
                if self.engine != "postgres":
                    type(self).server = Server(self.store.url, *self.flags, dev=False).start()
