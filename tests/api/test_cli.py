"""The commands: what they print and where, exit codes, one-line errors."""
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest

from tests.api.harness import (ROOT, Server, both_engines, clean_environment, event, run,
                               wait_until)


class CommandCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="doppel-cli-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.database = "sqlite:" + self.path("a.db")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def ok(self, *args, **kw):
        done = run(*args, **kw)
        self.assertEqual(done.returncode, 0, "%s: %s" % (args, done.stderr))
        return done.stdout

    def fails(self, code, says, *args, **kw):
        """Exit code, nothing on standard output, one line that says so on standard error."""
        done = run(*args, **kw)
        self.assertEqual(done.returncode, code, "%s: %r" % (args, done))
        self.assertIn(says, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("doppel"), done.stderr)


class Help(CommandCase):
    def test_every_command_is_explained_everywhere(self):
        names = set()
        for line in self.ok("help").splitlines():
            match = re.match(r"  ((?:key |import )?[a-z]+)\b", line)
            if match and not line.startswith("   "):
                names.add(match[1])
        for name in ("serve", "import csv", "import anki", "import supermemo", "import events", "simulate",
                     "rebuild", "migrate", "key create", "key list", "key revoke", "config", "doctor",
                     "export", "erase", "backup", "evaluate", "audit", "openapi", "version"):
            self.assertIn(name, names)
        man = self.ok("man")
        self.assertTrue(man.isascii(), "formatters differ about other bytes")
        bash = self.ok("completion", "bash")
        for name in names:
            self.assertIn("usage: doppel " + name, self.ok("help", *name.split()))
            self.assertIn("usage: doppel " + name, self.ok(*name.split(), "--help"))
            self.assertIn("doppel " + name, man)
            self.assertIn(name.split()[-1], bash)

    def test_unknown_commands_suggest_the_nearest(self):
        self.fails(2, "did you mean serve?", "serv")
        self.fails(2, "did you mean key create?", "key", "crate")
        self.fails(2, "key needs one of: create, list, revoke", "key")
        self.fails(2, "which command?")
        self.fails(2, "there is no command", "help", "nothing")
        self.fails(2, "does not know what to do with", "version", "now")

    def test_version(self):
        self.assertRegex(self.ok("version"), r"\Adoppel \d+\.\d+\.\d+\n")
        self.assertEqual(self.ok("--version"), self.ok("version"))

    def test_completions_are_valid_scripts(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.ok("completion", shell)
            if shutil.which(shell):
                done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""), shell)
        self.fails(2, "knows bash, zsh and fish", "completion", "tcsh")
        self.fails(2, "needs bash|zsh|fish", "completion")

    def test_bash_completes(self):
        script = self.write("completion", self.ok("completion", "bash"))
        for words, wanted in ((["doppel", "mig"], "migrate"), (["doppel", "key", "rev"], "revoke"),
                              (["doppel", "key", "create", "--sc"], "--scope"),
                              (["doppel", "serve", "--head-t"], "--head-timeout")):
            done = subprocess.run(
                ["bash", "-c", '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _doppel; '
                               'echo "${COMPREPLY[@]}"', script, *words], capture_output=True, text=True)
            self.assertEqual(done.stdout.split(), [wanted], done.stderr)

    def test_man_page_has_every_setting(self):
        man = self.ok("man")
        for line in self.ok("config", env=clean_environment()).splitlines():
            self.assertIn("\\fB%s\\fR" % line.split(" ")[0], man)

    def test_openapi_is_what_is_committed(self):
        with open(os.path.join(ROOT, "openapi.json")) as f:
            self.assertEqual(f.read(), self.ok("openapi"), "run: build/doppel openapi >openapi.json")


class Config(CommandCase):
    def test_sources_and_masks(self):
        conf = self.write("a.conf", "workers = 7\nlog_level = warn\n"
                                    "database = postgresql://me:geheim@db.example/doppel\n")
        shown = self.ok("config", "--config", conf, "--loops", "2",
                        env=clean_environment(DOPPEL_LOG_LEVEL="error"))
        self.assertRegex(shown, r"(?m)^workers = 7 +# .*a\.conf:1$")
        self.assertRegex(shown, r"(?m)^log_level = error +# DOPPEL_LOG_LEVEL$")
        self.assertRegex(shown, r"(?m)^loops = 2 +# --loops$")
        self.assertRegex(shown, r"(?m)^writers = 0 +# default$")
        self.assertIn("postgresql://me:***@db.example/doppel", shown)
        self.assertNotIn("geheim", shown)
        self.assertEqual(shown.replace("# %s" % conf, ""), self.ok(
            "config", "--loops=2", env=clean_environment(DOPPEL_LOG_LEVEL="error", DOPPEL_CONFIG=conf)
        ).replace("# %s" % conf, ""))

    def test_refusals(self):
        self.fails(2, "workers must be a whole number from 1 to 256, not \"0\"", "config", "--workers", "0")
        self.fails(2, "did you mean --workers", "config", "--wokers", "3")
        self.fails(2, "DOPPEL_WORKERS: workers must be", "config", env=clean_environment(DOPPEL_WORKERS="x"))
        bad = self.write("bad.conf", "\nwokers = 3\n")
        self.fails(2, "bad.conf:2: there is no setting \"wokers\"; did you mean workers?", "config", "--config", bad)
        self.fails(2, "cannot read", "config", "--config", self.path("none.conf"))
        self.fails(2, "bad.conf:2:", "check", bad)
        self.fails(1, "cannot read", "check", self.path("none.conf"))

    def test_the_default_file_is_valid(self):
        conf = self.write("default.conf", self.ok("config", "--default"))
        self.assertEqual(self.ok("check", conf), "the configuration is valid\n")
        live = self.write("live.conf", re.sub(r"(?m)^#(\w)", r"\1", self.ok("config", "--default")))
        self.assertEqual(self.ok("check", live), "the configuration is valid\n")


class Keys(CommandCase):
    def test_create_list_revoke(self):
        text = self.ok("key", "create", "--scope", "ingest,read", "--name", "app", "--expires", "30d",
                       "--learner", "ann", "--database", self.database)
        self.assertRegex(text, r"\Adpl_\S+\n\Z")
        secret = text.strip().split("_", 2)[2]
        listed = self.ok("key", "list", "--database", self.database)
        self.assertNotIn(secret, listed)
        self.assertRegex(listed, r"active +ingest,read +ann .* app\n")
        key_id = listed.splitlines()[1].split()[0]
        self.ok("key", "revoke", key_id, "--database", self.database)
        self.assertIn("revoked", self.ok("key", "list", "--database", self.database))

    def test_refusals(self):
        at = ("--database", self.database)
        self.fails(2, "needs --scope", "key", "create", *at)
        self.fails(2, "--scope takes", "key", "create", "--scope", "everything", *at)
        self.fails(2, "--expires takes", "key", "create", "--scope", "read", "--expires", "1999-01-01", *at)
        self.fails(2, "--expires takes", "key", "create", "--scope", "read", "--expires", "soon", *at)
        self.fails(2, "--learner must be", "key", "create", "--scope", "read", "--learner", "", *at)
        self.fails(1, "there is no key", "key", "revoke", "nothing", *at)
        self.fails(2, "needs ID", "key", "revoke", *at)


class Data(CommandCase):
    def test_migrate(self):
        at = ("--database", self.database)
        done = run("migrate", "--status", *at)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"\Aschema 0 of \d+: not current\n\Z")
        self.assertRegex(self.ok("migrate", *at), r"\Aschema 0 to \d+: done\n\Z")
        self.assertRegex(self.ok("migrate", *at), r"\Aschema \d+: nothing to do\n\Z")
        self.assertRegex(self.ok("migrate", "--status", *at), r"\Aschema (\d+) of \1\n\Z")

    def test_a_database_that_is_none(self):
        self.write("text.db", "this is no database, but long enough to look like one " * 40)
        for args in (("rebuild",), ("key", "list"), ("serve", "--listen", "127.0.0.1:0"), ("migrate",)):
            self.fails(1, "database", *args, "--database", "sqlite:" + self.path("text.db"))
        self.fails(1, "", "migrate", "--database", "sqlite:/nonexistent/a.db")
        self.fails(2, "database", "migrate", "--database", "mysql://x")
        self.fails(2, "database", "migrate", "--database", "sqlite::memory:")
        self.fails(1, "", "migrate", "--database", "postgresql://x:geheim@127.0.0.1:1/x")

    def test_erase_needs_a_word(self):
        self.fails(2, "add --yes", "erase", "ann", "--database", self.database)
        self.fails(1, "there is no learner \"ann\"", "erase", "ann", "--yes", "--database", self.database)

    def test_rebuild_of_nothing(self):
        self.assertIn("0 learners", self.ok("rebuild", "--database", self.database))
        self.fails(1, "there is no learner", "rebuild", "--learner", "ann", "--database", self.database)

    def test_export_of_nobody(self):
        self.fails(1, "run doppel migrate", "export", "ann", "--database", self.database)
        self.ok("migrate", "--database", self.database)
        self.fails(1, "there is no learner", "export", "ann", "--out", self.path("x"), "--database", self.database)
        self.assertFalse(os.path.exists(self.path("x")))
        self.fails(2, "needs LEARNER", "export", "--database", self.database)

    def test_backup(self):
        self.ok("migrate", "--database", self.database)
        self.ok("backup", self.path("copy.db"), "--database", self.database)
        copy = sqlite3.connect(self.path("copy.db"))
        self.assertEqual(copy.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        copy.close()
        self.fails(1, "never overwrites", "backup", self.path("copy.db"), "--database", self.database)
        self.fails(1, "", "backup", "/nonexistent/copy.db", "--database", self.database)
        self.assertEqual([n for n in os.listdir(self.folder) if n.endswith(".part")], [])


class Doctor(CommandCase):
    def test_well(self):
        self.ok("migrate", "--database", self.database)
        self.assertEqual(os.stat(self.path("a.db")).st_mode & 0o7, 0, "the file is for everybody")
        out = self.ok("doctor", "--database", self.database, "--connections-max", "100")
        self.assertNotIn("BROKEN", out)
        self.assertIn("integrity", out)

    def test_looking_makes_nothing(self):
        self.ok("doctor", "--database", self.database)
        self.assertEqual(os.listdir(self.folder), [])

    def broken(self, says, *args):
        done = run("doctor", *args)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, r"(?m)^BROKEN .*" + says)

    def test_broken(self):
        self.broken("database", "--database", "postgresql://x:geheim@127.0.0.1:1/x")
        self.broken("disk", "--database", "sqlite:/nonexistent/a.db")
        self.write("text.db", "this is no database, but long enough to look like one " * 40)
        self.broken("", "--database", "sqlite:" + self.path("text.db"))
        self.broken("TLS", "--database", self.database, "--tls-cert", self.path("no.pem"), "--tls-key", self.path("no"))
        self.broken("TLS .*together", "--database", self.database, "--tls-cert", self.path("no.pem"))
        self.broken("tokens", "--database", self.database, "--jwks-file", self.write("jwks", "{"))

    def certificate(self, start, end):
        """A key, and its certificate for that time: only `openssl ca` takes a start."""
        self.write("ca.conf", "[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=.\ndatabase=index\nserial=serial\n"
                              "default_md=sha256\nunique_subject=no\npolicy=p\n[p]\ncommonName=supplied\n")
        self.write("index", "")
        self.write("serial", "01\n")
        for args in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                      "/CN=localhost", "-keyout", "key.pem", "-out", "req.pem"],
                     ["ca", "-batch", "-config", "ca.conf", "-selfsign", "-keyfile", "key.pem", "-in", "req.pem",
                      "-startdate", start, "-enddate", end, "-out", "cert.pem"]):
            subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.folder)
        return ("--tls-cert", self.path("cert.pem"), "--tls-key", self.path("key.pem"))

    def test_certificates(self):
        at = ("--database", self.database)
        soon = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 5 * 86400))
        good = run("doctor", *at, *self.certificate("20200101000000Z", "20450101000000Z"))
        self.assertRegex(good.stdout, r"(?m)^ok +certificate +\d+ days left$")
        self.assertRegex(run("doctor", *at, *self.certificate("20200101000000Z", soon)).stdout,
                         r"(?m)^note +certificate +\d+ days left$")
        self.broken("certificate +expired", *at, *self.certificate("20200101000000Z", "20200201000000Z"))
        self.broken("certificate +is not valid yet", *at, *self.certificate("20400101000000Z", "20450101000000Z"))

    def test_misspelt_variables_are_noted(self):
        done = run("doctor", "--database", self.database, env=clean_environment(DOPPEL_LISTN="x"))
        self.assertIn("DOPPEL_LISTN is no setting", done.stdout)


class Serve(CommandCase):
    def test_refusals(self):
        at = ("--database", self.database)
        self.fails(2, "refuses to listen on \"0.0.0.0:0\"", "serve", "--dev", "--listen", "0.0.0.0:0", *at)
        self.fails(2, "refuses to listen", "serve", "--dev", "--listen", "127.0.0.1:0, [::]:0", *at)
        self.fails(2, "redis must be a URL", "serve", "--redis", "http://x", *at)
        self.fails(2, "only work together", "serve", "--tls-cert", "x", *at)
        self.fails(2, "workers_reserved", "serve", "--workers", "2", "--workers-reserved", "2", *at)
        self.fails(2, "takes no value", "serve", "--no-dev=1", *at)

    def test_a_schema_that_is_behind_is_named_without_migrate(self):
        self.fails(1, "run doppel migrate", "serve", "--no-migrate", "--listen", "127.0.0.1:0", "--database",
                   self.database)

    def test_a_taken_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            done = run("serve", "--listen", "127.0.0.1:%d" % s.getsockname()[1], "--database", self.database)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("cannot listen", done.stderr)

    def test_one_line_on_standard_output_and_dev_is_loud(self):
        server = Server(self.database).start()
        until = time.monotonic() + 60
        while "--dev" not in server.log_text():  # the log has a thread of its own
            self.assertLess(time.monotonic(), until, "not a word of it")
            time.sleep(0.02)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.stdout.read(), "", "more than one line")
        self.assertEqual(server.stop(), 0)

    def test_systemd_is_told(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(self.path("notify"))
            s.settimeout(30)
            server = Server(self.database, env=clean_environment(NOTIFY_SOCKET=self.path("notify"))).start()
            self.assertEqual(s.recv(100), b"READY=1")
            self.assertEqual(server.stop(), 0)
            self.assertEqual(s.recv(100), b"STOPPING=1")

    def test_one_server_alone_uses_a_file(self):
        server = Server(self.database).start()
        self.addCleanup(server.kill)
        link = self.path("link.db")
        os.symlink(self.database.removeprefix("sqlite:"), link)
        for database in (self.database, "sqlite:" + link):
            second = run("serve", "--dev", "--listen", "127.0.0.1:0", "--database", database)
            self.assertEqual(second.returncode, 1, second)
            self.assertIn("another server", second.stderr)
        self.assertEqual(self.ok("key", "create", "--scope", "read", "--database", self.database).count("\n"), 1)
        self.assertEqual(server.get("/readyz").status, 200)
        server.kill()
        again = Server(self.database).start()
        self.assertEqual(again.stop(), 0)

    def test_ready_soon(self):
        """The first start makes the schema; the second is what a restart costs."""
        Server(self.database).start().stop()
        took = []
        for _ in range(5):
            begun = time.monotonic()
            server = Server(self.database).start()
            took.append(time.monotonic() - begun)
            server.stop()
        self.assertLess(min(took), 0.2)

    def test_without_dev_a_key_is_needed_and_sighup_forgets_revoked_ones(self):
        server = Server(self.database, "--key-cache", "1h", dev=False).start()
        self.addCleanup(server.kill)
        self.assertEqual(server.get("/api/analytics/sessions", query={"userId": "ann"}).status, 401)
        key = self.ok("key", "create", "--scope", "ingest", "--database", self.database).strip()
        self.assertEqual(server.post("/api/events", [event()], key=key).status, 200)
        key_id = self.ok("key", "list", "--database", self.database).splitlines()[1].split()[0]
        self.ok("key", "revoke", key_id, "--database", self.database)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.post("/api/events", [event()], key=key).status == 401, what="forgetting")
        self.assertEqual(server.stop(), 0)


@both_engines
class OneLearner:
    """Export, rebuild and erase beside a running server, on real rows."""

    def test_life(self):
        events = [event(learner="bea") for _ in range(50)]
        self.server.events(events)
        at = ("--database", self.store.url)
        for args in (("rebuild", "--verify"), ("rebuild", "--learner", "bea"), ("rebuild", "--verify", "--learner", "bea")):
            done = run(*args, *at)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        exported = run("export", "bea", "--out", "-", *at)
        self.assertEqual(exported.returncode, 0, exported.stderr)
        for e in events:
            self.assertIn(e["id"], exported.stdout)
        json.loads(exported.stdout)
        erased = run("erase", "bea", "--yes", *at)
        self.assertEqual(erased.returncode, 0, erased.stderr)
        self.assertEqual(self.store.query("SELECT count(*) FROM events")[0][0] in (0, "0"), True)
        self.assertEqual(self.server.get("/api/analytics/sessions", query={"userId": "bea"}).status, 404)

    def test_verify_finds_a_changed_sum(self):
        if self.engine != "sqlite":
            self.skipTest("the row is changed by SQLite's own library")
        self.server.events([event(learner="cyd") for _ in range(5)])
        connection = sqlite3.connect(self.store.path, timeout=30)
        connection.execute("UPDATE totals SET answers = answers + 1 WHERE learner_id ="
                           " (SELECT learner_id FROM learners WHERE external_id = 'cyd')")
        connection.commit()
        connection.close()
        done = run("rebuild", "--verify", "--database", self.store.url)
        self.assertEqual(done.returncode, 1)
        self.assertIn("differ", done.stderr)
        self.assertEqual(run("rebuild", "--learner", "cyd", "--database", self.store.url).returncode, 0)
        self.assertEqual(run("rebuild", "--verify", "--database", self.store.url).returncode, 0)


class Simulate(CommandCase):
    def test_same_seed_same_bytes(self):
        args = ("simulate", "--learners", "3", "--days", "5", "--seed", "7", "--out", "-", "--truth")
        first, second = (self.ok(*args, self.path(n)) for n in ("a", "b"))
        self.assertEqual(first, second)
        with open(self.path("a")) as a, open(self.path("b")) as b:
            self.assertEqual(a.read(), b.read())
        self.assertNotEqual(first, self.ok(*args[:6], "8", *args[7:], self.path("c")))
        for line in first.splitlines():
            json.loads(line)

    def test_imports_whole_and_twice(self):
        self.ok("simulate", "--learners", "3", "--days", "5", "--seed", "7", "--out", self.path("e"),
                "--truth", self.path("t"))
        self.ok("import", "events", self.path("e"), "--database", self.database)
        with open(self.path("e")) as f:
            lines = len(f.read().splitlines())

        def stored():
            connection = sqlite3.connect(self.path("a.db"))
            n = connection.execute("SELECT count(*) FROM events").fetchone()[0]
            connection.close()
            return n
        self.assertEqual(stored(), lines)
        self.ok("import", "events", self.path("e"), "--database", self.database)
        self.assertEqual(stored(), lines)
        self.assertEqual(run("rebuild", "--verify", "--database", self.database).returncode, 0)

    def test_refusals(self):
        self.fails(2, "", "simulate", "--learners", "many")
        self.fails(2, "unknown option --learner; did you mean --learners?", "simulate", "--learner", "3")
        self.fails(1, "", "simulate", "--learners", "1", "--days", "1", "--out", "/nonexistent/x")
        self.fails(1, "", "import", "events", self.path("none"), "--database", self.database)
        with open(self.path("noise"), "w") as f:
            f.write("no event\nnor this\n")
        done = run("import", "events", self.path("noise"), "--database", self.database)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing could be taken", done.stderr)
        self.assertIn("refused: 2", done.stdout)


if __name__ == "__main__":
    unittest.main()
