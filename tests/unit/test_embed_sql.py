#!/usr/bin/env python3
"""tools/embed_sql.py: what it makes of the three bulk forms, and that it refuses, with file and line,
what would otherwise fail in a running server."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

TOOL = os.path.join(os.environ["DOPPEL_SOURCE"], "tools", "embed_sql.py")
MIGRATION = """CREATE TABLE t (learner_id {int} NOT NULL, id {text} NOT NULL, x {real},
    PRIMARY KEY (learner_id, id)) {by_learner};
"""


class EmbedSql(unittest.TestCase):
    def run_tool(self, queries, migrations=None, groups=None):
        with tempfile.TemporaryDirectory() as d:
            for name, files in (("queries", queries), ("migrations", migrations or {"0001_t.sql": MIGRATION})):
                os.mkdir(os.path.join(d, name))
                for file, text in files.items():
                    with open(os.path.join(d, name, file), "w", encoding="utf-8") as f:
                        f.write(text)
            if groups:
                with open(os.path.join(d, "groups"), "w", encoding="utf-8") as f:
                    f.write(groups)
            out = [os.path.join(d, n) for n in ("s.h", "s.c", "s.d")]
            p = subprocess.run([sys.executable, TOOL, "--sql", d, "--header", out[0], "--source", out[1],
                                "--depfile", out[2]], capture_output=True, text=True, check=False)
            self.assertNotIn("Traceback", p.stderr)
            if p.returncode:
                return None, p.stderr.strip()
            with open(out[1], encoding="utf-8") as f:
                return "".join(f.read().split('"\n        "')), ""

    def made(self, text):
        source, error = self.run_tool({"q.sql": text})
        self.assertEqual(error, "")
        return source

    def refused(self, text, line, word, **more):
        source, error = self.run_tool({"q.sql": text}, **more)
        self.assertIsNone(source, "was accepted")
        self.assertIn(f"q.sql:{line}:", error)
        self.assertIn(word, error)

    def test_statements_know_the_groups_that_they_read_and_write(self):
        tables = "".join(f"CREATE TABLE {t} (learner_id {{int}} NOT NULL, a {{int}}, PRIMARY KEY (learner_id)) {{clustered}};\n"
                         for t in ("learners", "a", "b", "c"))
        source, error = self.run_tool({"q.sql": (
            "-- name: one\nSELECT a FROM b WHERE learner_id = (SELECT learner_id FROM learners WHERE a = 'c');\n"
            "-- name: two\n-- args: int\nINSERT INTO a (learner_id, a) SELECT learner_id, $1 FROM b;\n"
            "-- name: three\nDELETE FROM learners;\n"
            "-- name: four\n-- apart: b\nSELECT l.a, b.a FROM learners l LEFT JOIN b ON b.learner_id = l.learner_id;\n"
            "-- name: five\nSELECT a FROM c;\n")},
            {"0001_t.sql": tables}, "none: c\nfirst: a # and so on\nsecond: b\n")
        self.assertEqual(error, "")
        said = {text.split('"')[0]: (re.findall(r"\.reads = (\w+)", text), re.findall(r"\.writes = (\w+)", text))
                for text in source.split('.name = "')}
        self.assertEqual(said["one"], (["0x5"], []))
        self.assertEqual(said["two"], (["0x4"], ["0x2"]))
        self.assertEqual(said["three"], ([], ["0x7"]))  # all that is a learner's goes with him
        self.assertEqual(said["four"], (["0x1"], []))
        self.assertEqual(said["five"], ([], []))

    def test_what_cannot_be_told_apart_is_refused(self):
        self.refused("-- name: x\nSELECT t.x FROM (SELECT 1) AS u, t;\n", 1, "neither behind FROM nor JOIN")
        self.refused("-- name: x\n-- apart: t\nSELECT 1;\n", 1, "it is not read")
        for groups in ("a: t\nb: t\n", "a: nothing\n", "a t\n", "a: t\na: t\n"):
            source, error = self.run_tool({"q.sql": "-- name: x\nSELECT x FROM t;\n"}, groups=groups)
            self.assertIsNone(source, groups)
            self.assertIn("groups:", error)

    def test_insert_becomes_unnest_and_returns_its_keys(self):
        c = self.made("-- name: put\n-- args: int, real, text\n-- bulk\n-- key: 1, 3\n"
                      "INSERT INTO t (id, x, learner_id) VALUES ($3, coalesce($2, 0), $1)\n"
                      "  ON CONFLICT (learner_id, id) DO UPDATE SET x = t.x + excluded.x;\n")
        self.assertIn("VALUES (\\?3, coalesce(\\?2, 0), \\?1)", c)
        self.assertIn("SELECT t.a3, coalesce(t.a2, 0), t.a1 FROM (SELECT unnest($1::bigint[]) AS a1, "
                      "unnest($2::double precision[]) AS a2, unnest($3::text[]) AS a3) AS t ON CONFLICT", c)
        self.assertIn("RETURNING learner_id, id\"", c)
        self.assertIn(".keys = (const uint8_t[]){ 0, 2 }", c)

    def test_sqlite_gets_a_text_for_many_rows(self):
        c = self.made("-- name: put\n-- args: int, text\n-- bulk\n"
                      "INSERT INTO t (learner_id, id) VALUES ($1, '$2' || $2) ON CONFLICT DO NOTHING")
        self.assertIn("INSERT OR FAIL INTO t (learner_id, id) VALUES (\\?1, '$2' || \\?2), (\\?3, '$2' || \\?4), ", c)
        self.assertIn("(\\?15, '$2' || \\?16) ON CONFLICT DO NOTHING\"", c)
        c = self.made("-- name: one\n-- args: int, text\nINSERT INTO t (learner_id, id) VALUES ($1, $2)")
        self.assertNotIn("OR FAIL", c)

    def test_update_returns_the_columns_of_its_keys(self):
        c = self.made("-- name: set\n-- args: int, text, real\n-- bulk\n-- key: 1, 2\n"
                      "WITH k (learner_id, id, x) AS (VALUES ($1, $2, $3))\n"
                      "UPDATE t SET x = k.x FROM k WHERE t.learner_id = k.learner_id AND t.id = k.id")
        self.assertIn("RETURNING k.learner_id, k.id\"", c)

    def test_quotes_and_comments_hide_what_is_in_them(self):
        c = self.made("-- name: a\n-- args: int\nSELECT ';', '$2 ?', \"id\" /* ; $3 */ FROM t -- $4 ;\n"
                      " WHERE learner_id = $1 AND id <> '--';\n")
        self.assertIn("AND id <> '--'\"", c)
        self.assertIn("'$2 \\?'", c)

    def test_partitions_are_made(self):
        c = self.made("-- name: a\nSELECT 1")
        self.assertIn("PARTITION BY HASH (learner_id);", c)
        self.assertIn("CREATE TABLE t_p7 PARTITION OF t FOR VALUES WITH (MODULUS 8, REMAINDER 7);", c)
        self.assertIn("STRICT, WITHOUT ROWID;", c)
        self.assertIn('id TEXT COLLATE \\"C\\" NOT NULL', c)

    def test_two_texts(self):
        c = self.made("-- name: a\n-- args: int\n-- engine: sqlite\nSELECT $1 + 1\n"
                      "-- engine: postgres\nSELECT $1::int + 2;\n")
        self.assertIn("SELECT \\?1 + 1", c)
        self.assertIn("SELECT $1::int + 2", c)

    def test_mistakes_have_a_place(self):
        name = "-- name: a\n"
        bulk = name + "-- args: int, text\n-- bulk\n"
        for text, line, word in (
            ("SELECT 1;\n", 1, "before any"),
            ("-- args: int\n", 1, "before any"),
            ("-- name: A\nSELECT 1", 1, "no name"),
            (name, 1, "no text"),
            (name + "-- args: integer\nSELECT $1", 2, "unknown type"),
            (name + "-- argz: int\nSELECT 1", 2, "unknown directive"),
            (name + "-- args: int\nSELECT 1", 3, "uses none"),
            (name + "\nSELECT $1", 3, "lists 0"),
            (name + "-- args: int, int\nSELECT $1, $3", 3, "$1, $3"),
            (name + "SELECT 1; SELECT 2", 2, "more than one"),
            (name + "-- args: int\nSELECT $1, ?", 3, "does not belong"),
            (name + "-- args: int\nSELECT $1::int", 3, "CAST"),
            (name + "-- scan: yes\nSELECT 1", 2, "reason"),
            (name + "-- engine: mysql\nSELECT 1", 2, "sqlite"),
            (name + "-- engine: sqlite\nSELECT 1", 1, "sqlite only"),
            (name + "SELECT 1\n-- engine: sqlite\nSELECT 1", 1, "either one text"),
            (name + "SELECT nowhere FROM t", 1, "no such column"),
            (name + "SELECT 1\n" + name + "SELECT 2", 3, "taken"),
            (name + "-- key: 1\n-- args: int\nSELECT $1", 1, "bulk"),
            (bulk + "SELECT id FROM t WHERE learner_id = $1 AND id = $2", 1, "exactly one"),
            (bulk + "INSERT INTO t (learner_id, id) VALUES ($1, $2), ($1, $2)", 1, "one row"),
            (bulk + "WITH k (a) AS (VALUES ($1)) DELETE FROM t WHERE id = $2", 1, "outside"),
            (bulk + "-- key: 3\nINSERT INTO t (learner_id, id) VALUES ($1, $2)", 1, "argument 3"),
            (bulk + "-- key: 2\nINSERT INTO t (learner_id, id) VALUES ($1, lower($2))", 1, "by itself"),
            (bulk + "-- key: 1\nWITH k (a, b) AS (VALUES ($1, $2)) DELETE FROM t WHERE (learner_id, id) IN "
                    "(SELECT a, b FROM k)", 1, "two `-- engine:`"),
            (bulk + "-- key: 1\nINSERT INTO t (learner_id) VALUES ($1, $2)", 1, "1 columns, but 2"),
        ):
            with self.subTest(text=text):
                self.refused(text, line, word)

    def test_migrations_are_checked(self):
        for files, word in (
            ({"0002_t.sql": MIGRATION}, "0001 is missing"),
            ({"1_t.sql": MIGRATION}, "NNNN_what"),
            ({"0001_t.sql": "CREATE TABLE t (a {integer}) {strict};"}, "unknown word"),
            ({"0001_t.sql": "CREATE TABLE t (a {int} {strict};"}, "SQLite:"),
            ({}, "no migration"),
        ):
            with self.subTest(word=word):
                d = {"q.sql": "-- name: a\nSELECT 1"}
                source, error = self.run_tool(d, migrations=files) if files else self.run_tool(
                    d, migrations={"README": ""})
                self.assertIsNone(source)
                self.assertIn(word, error)


if __name__ == "__main__":
    unittest.main()
