/* Every importer, end to end, on files of the test's own making: what is stored, what is told, what
 * a second and an interrupted import do. */
#include "test.h"

#include "base/buf.h"
#include "base/civil.h"
#include "import/import.h"
#include "import/table.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

struct place {
    char dir[64], url[128], db[96];
    struct store *store;
    struct store_conn *conn;
    volatile int stop;
    struct import_context ctx;
    char *told; /* what the last import printed */
    size_t told_n;
    char detail[ARGS_DETAIL_MAX];
};

static int place_make(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    int32_t from, to;
    char detail[300];

    assert_non_null(p);
    snprintf(p->dir, sizeof p->dir, "/tmp/doppel-import.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->db, sizeof p->db, "%s/doppel.db", p->dir);
    snprintf(p->url, sizeof p->url, "sqlite:%s", p->db);
    struct store_options o = {.url = str_from(p->url),
                              .busy_timeout_ms = 2000,
                              .connect_timeout_ms = 2000,
                              .statement_timeout_ms = 10000,
                              .sqlite_cache_kib = 1024,
                              .sqlite_checkpoint_pages = 1000};

    assert_int_equal(store_open(&o, &p->store, detail), ERR_OK);
    assert_int_equal(store_migrate(p->store, &from, &to, detail), ERR_OK);
    assert_int_equal(store_connect(p->store, STORE_WRITER, &p->conn), ERR_OK);
    p->ctx = (struct import_context){.store = p->store,
                                     .conn = p->conn,
                                     .future_max_us = US_PER_DAY,
                                     .batch_events = 2,
                                     .stop = &p->stop};
    *state = p;
    return 0;
}

static int place_end(void **state)
{
    struct place *p = *state;
    DIR *d = opendir(p->dir);
    struct dirent *entry;
    char path[400];

    store_disconnect(p->conn);
    store_close(p->store);
    while (d && (entry = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", p->dir, entry->d_name);
        unlink(path);
    }
    closedir(d);
    rmdir(p->dir);
    free(p->told);
    free(p);
    return 0;
}

/* ---- files ---- */

static const char *path_of(struct place *p, const char *name)
{
    static char paths[8][160];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", p->dir, name);
    return path;
}

static const char *write_bytes(struct place *p, const char *name, const void *bytes, size_t n)
{
    const char *path = path_of(p, name);
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

static const char *write_text(struct place *p, const char *name, const char *text)
{
    return write_bytes(p, name, text, strlen(text));
}

static const char *write_gzip(struct place *p, const char *name, const char *text)
{
    const char *path = path_of(p, name);
    gzFile f = gzopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(gzwrite(f, text, (unsigned)strlen(text)), strlen(text));
    assert_int_equal(gzclose(f), Z_OK);
    return path;
}

/* ---- running ---- */

static enum err import(struct place *p, const char *importer, const char *const *given)
{
    const struct importer *row = importers;
    char *argv[64];
    struct args args;
    int argc = 0;

    while (row->name && strcmp(row->name, importer) != 0)
        row++;
    assert_non_null(row->name);
    while (given[argc]) {
        argv[argc] = (char *)(uintptr_t)given[argc];
        argc++;
    }
    free(p->told);
    p->told = NULL;
    p->detail[0] = 0;
    p->ctx.out = open_memstream(&p->told, &p->told_n);
    enum err e = args_parse(row->options, argc, argv, &args, p->detail);

    if (e == ERR_OK)
        e = row->run(row, &p->ctx, &args, p->detail);
    fclose(p->ctx.out);
    return e;
}
#define IMPORT(p, importer, ...) import((p), (importer), (const char *[]){__VA_ARGS__, NULL})

static void told(const struct place *p, const char *what)
{
    if (!strstr(p->told, what))
        fail_msg("\"%s\" is not told in:\n%s%s", what, p->told, p->detail);
}

/* The first value of a query, as text. */
static const char *ask(struct place *p, const char *sql)
{
    static char answers[8][400];
    static int next;
    char *answer = answers[next++ % 8];
    sqlite3_stmt *s = NULL;
    sqlite3 *db;

    assert_int_equal(sqlite3_open_v2(p->db, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    answer[0] = 0;
    if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0))
        snprintf(answer, sizeof answers[0], "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return answer;
}

#define EVENTS "SELECT group_concat(x, ' ') FROM (SELECT "
#define BY_TIME " AS x FROM events JOIN learners USING (learner_id) ORDER BY external_id, at, id)"

/* ---- tables ---- */

static const char gervet[] = "user_id\titem_id\ttimestamp\tcorrect\tskill_id\n"
                             "7\t11\t0\t1\t40\n7\t12\t0\t0\t41\n7\t11\t0\t1\t40\n8\t11\t0\t0\t40\n";

static void answers_without_times_keep_their_order(void **state)
{
    struct place *p = *state;
    const char *file = write_gzip(p, "train.tsv.gz", gervet);
    const char *skills =
        write_text(p, "item_skills.tsv", "item_id\tskill_id\n11\t3\n11\t5\n12\t4\n");

    assert_int_equal(
        IMPORT(p, "csv", "--preset", "gervet", "--prefix", "x-", "--skills-file", skills, file),
        ERR_OK);
    told(p, "4 rows, 4 events of 2 learners");
    told(p, "taken: 4\n  duplicates: 0");
    assert_string_equal(
        ask(p, EVENTS "external_id || ':' || item || '=' || correct || skills" BY_TIME),
        "x-7:x-11=1[\"x-3\",\"x-5\"] x-7:x-12=0[\"x-4\"] x-7:x-11=1[\"x-3\",\"x-5\"] "
        "x-8:x-11=0[\"x-3\",\"x-5\"]");
    assert_string_equal(ask(p, "SELECT sum(untimed) FROM events"), "4");
    assert_string_equal(ask(p, "SELECT count(*) FROM days"), "0"); /* no day is credited */
    assert_string_equal(ask(p, "SELECT sum(answers) FROM totals"), "4");

    assert_int_equal(
        IMPORT(p, "csv", "--preset", "gervet", "--prefix", "x-", "--skills-file", skills, file),
        ERR_OK);
    told(p, "taken: 0\n  duplicates: 4");
    assert_string_equal(ask(p, "SELECT sum(answers) FROM totals"), "4");
    /* The same rows in another file are other answers: nothing else can tell. */
    const char *other = write_text(p, "test.tsv", gervet);

    assert_int_equal(IMPORT(p, "csv", "--preset", "gervet", "--prefix", "x-", other), ERR_OK);
    told(p, "taken: 4\n  duplicates: 0");
}

static void three_lines_a_learner(void **state)
{
    struct place *p = *state;
    const char *file = write_text(p, "train.txt", "3\n1,1,2,\n0,1,1,\n2\n5,6\n1\n1\n9\n0\n");

    assert_int_equal(IMPORT(p, "csv", "--preset", "dkvmn", "--learner-prefix", "d-", file), ERR_OK);
    told(p, "taken: 4");
    told(p, "refused: 1\n    1 x the three lines do not have as many values as the first says "
            "(first: line 4)");
    assert_string_equal(ask(p, EVENTS "external_id || ':' || item || '=' || correct" BY_TIME),
                        "d-1:1=0 d-1:1=1 d-1:2=1 d-3:9=0");
    assert_int_equal(
        IMPORT(p, "csv", "--preset", "dkvmn", write_text(p, "odd.txt", "1\n1\n0\nx\n1\n1\n")),
        ERR_SYNTAX);
    assert_non_null(strstr(p->detail, "line 4"));
    told(p, "NOT complete");
}

static const char mixed[] = "who,when,what,ok,secs\n"
                            "ann,2024-01-02 10:00:00,q1,TRUE,12\n"
                            "ann,2024-01-02 10:00:00,q2,FALSE,5\n"
                            "ann,2024-01-02 10:20:00,q3,maybe,5\n"
                            "bob,yesterday,q1,TRUE,1\n"
                            "bob,2024-01-02 12:00:00,,TRUE,1\n"
                            "test,2024-01-02 12:00:00,q1,TRUE,1\n"
                            "ann,2024-01-02 11:00:00,q1,FALSE,99999999\n"
                            ",2024-01-02 11:00:00,q1,FALSE,1\n"
                            "cy,2124-01-02 11:00:00,q1,FALSE,1\n";
#define MIXED                                                                                  \
    "--map", "learner=who", "--map", "time=when", "--map", "item=what", "--map", "correct=ok", \
        "--map", "duration=5", "--skip", "who=test", "--session-gap", "30m", "--time-zone",    \
        "Europe/Berlin"

static void bad_rows_are_told_with_reasons(void **state)
{
    struct place *p = *state;
    const char *file = write_text(p, "mixed.csv", mixed);

    p->ctx.quarantine_rows_max = 100;
    assert_int_equal(IMPORT(p, "csv", MIXED, file), ERR_OK);
    told(p, "9 rows");
    told(p, "taken: 3\n");
    told(p, "skipped: 1\n    1 x who=test (first: line 7)");
    told(p, "refused: 5");
    told(p, "1 x correct: neither right nor wrong: \"maybe\" (first: line 4)");
    told(p, "1 x time: not in the form: \"yesterday\" (first: line 5)");
    told(p, "1 x learner: is missing (first: line 9)");
    told(p, "(first: line 6)");  /* an answer without an item */
    told(p, "(first: line 10)"); /* a century ahead */
    told(p, "1 x duration: not a time between 0 and a day (first: line 8)");
    /* Rows of one second keep the file's order; a pause of 55 minutes begins another session. */
    assert_string_equal(ask(p, EVENTS "item || '@' || at" BY_TIME),
                        "q1@1704186000000000 q2@1704186000000001 q1@1704189600000000");
    assert_string_equal(ask(p, "SELECT count(DISTINCT session) FROM events"), "2");
    assert_string_equal(ask(p, "SELECT count(*) FROM quarantine"), "5");
    assert_string_equal(
        ask(p,
            "SELECT json_extract(body, '$.line') FROM quarantine ORDER BY quarantine_id LIMIT 1"),
        "4");
}

static void a_dry_run_stores_nothing(void **state)
{
    struct place *p = *state;
    const char *file = write_text(p, "mixed.csv", mixed);

    assert_int_equal(IMPORT(p, "csv", MIXED, "--dry-run", file), ERR_OK);
    told(p, "would be taken: 3");
    assert_string_equal(ask(p, "SELECT count(*) FROM events"), "0");
    assert_string_equal(ask(p, "SELECT count(*) FROM imports"), "0");
}

static void wrong_options_are_named(void **state)
{
    struct place *p = *state;
    const char *file = write_text(p, "a.csv", "a,b\n1,2\n");
    static const struct {
        const char *args[8], *detail;
    } cases[] = {
        {{"--map", "learner=nobody", "--untimed"}, "there is no column \"nobody\""},
        {{"--map", "who=a", "--untimed"}, "no such field"},
        {{"--map", "learner=a"}, "--untimed"},
        {{"--map", "item=a", "--untimed"}, "--learner NAME"},
        {{"--preset", "nothing"}, "no such preset"},
        {{"--learner", "x", "--map", "time=a", "--time-format", "%Q"}, "not a form of time"},
        {{"--learner", "x", "--map", "time=a", "--time-format", "days"}, "--time-origin"},
        {{"--learner", "x", "--untimed", "--kind", "guess"}, "no such kind"},
        {{"--learner", "x", "--untimed", "--skills-file", "/nowhere"}, "/nowhere"},
        {{"--learner", "x", "--untimed", "--session-gap", "soon"}, "--session-gap"},
        {{"--learner", "x", "--untimed", "--separator", "ab"}, "--separator"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *args[10] = {file};

        memcpy(args + 1, cases[i].args, sizeof cases[i].args);
        assert_int_not_equal(import(p, "csv", args), ERR_OK);
        if (!strstr(p->detail, cases[i].detail))
            fail_msg("%zu: \"%s\" is not in \"%s\"", i, cases[i].detail, p->detail);
    }
}

static void an_interrupted_import_goes_on(void **state)
{
    struct place *p = *state;
    struct buf text;
    char answer[32];

    buf_init(&text, 1 << 20);
    buf_printf(&text, "user_id\titem_id\ttimestamp\tcorrect\tskill_id\n");
    for (int i = 0; i < 500; i++)
        buf_printf(&text, "%d\t%d\t0\t%d\t1\n", i % 7, i % 13, i % 2);
    const char *file = write_bytes(p, "many.tsv", text.p, text.n);

    p->ctx.batch_events = 50;
    p->stop = 1; /* after the batch that runs */
    assert_int_equal(IMPORT(p, "csv", "--preset", "gervet", file), ERR_CANCELLED);
    assert_non_null(strstr(p->detail, "goes on from there"));
    assert_string_equal(ask(p, "SELECT count(*) FROM events"), "50");
    assert_string_equal(ask(p, "SELECT position || ' ' || finished FROM imports"), "50 0");
    p->stop = 0;
    assert_int_equal(IMPORT(p, "csv", "--preset", "gervet", "--limit", "120", file), ERR_OK);
    told(p, "went on behind: 50 events");
    told(p, "taken: 70\n  duplicates: 0");
    assert_int_equal(IMPORT(p, "csv", "--preset", "gervet", file), ERR_OK);
    told(p, "went on behind: 120 events");
    told(p, "taken: 380\n  duplicates: 0");
    assert_string_equal(ask(p, "SELECT position || ' ' || finished FROM imports"), "500 1");
    assert_string_equal(ask(p, "SELECT json_extract(summary, '$.accepted') FROM imports"), "500");
    /* And the order is that of an import in one go. */
    snprintf(answer, sizeof answer, "%s", ask(p, "SELECT sum(at % 1000003 * item) FROM events"));
    assert_int_equal(
        IMPORT(p, "csv", "--preset", "gervet", "--learner-prefix", "n", "--origin", "many", file),
        ERR_OK);
    assert_string_equal(ask(p, "SELECT sum(at % 1000003 * item) FROM events JOIN learners USING "
                               "(learner_id) WHERE external_id LIKE 'n%'"),
                        answer);
    buf_fini(&text);
}

static void known_layouts_import(void **state)
{
    struct place *p = *state;
    const char *file;

    file = write_text(
        p, "cloze.tsv",
        "Anon.Student.Id\tSession.Id\tTime\tDuration..sec.\tLevel..Unitname.\tProblem."
        "Name\tOutcome\tKC..Cluster.\tCF..End.Latency.\n"
        "Stu_1\ts one\t2015-11-02 19:49:38\t32\tPractice\tThe \"mean\" is "
        "__\tINCORRECT\tmean\t12005\n"
        "Stu_1\ts one\t2015-11-02 19:50:06\t28\tPractice\tThe mode is __\tSTUDY\tmode\t-1\n");
    assert_int_equal(IMPORT(p, "csv", "--preset", "cloze", "--time-zone", "America/Chicago", file),
                     ERR_OK);
    assert_string_equal(ask(p, EVENTS "kind || item || ifnull(correct, '-') || ifnull(latency_ms, "
                                      "'-') || ' ' || duration_ms || session" BY_TIME),
                        "1The \"mean\" is __012005 32000s one 3The mode is __-- 28000s one");

    file = write_text(p, "step.txt",
                      "Row\tAnon Student Id\tProblem Hierarchy\tProblem Name\tStep Name\tStep End "
                      "Time\tStep Duration (sec)\tFirst Attempt\tHints\tKC (Default)\r\n"
                      "1\tStu_2\t\"Unit 5, Section 2\"\tw01\tdone\t10/14/05 "
                      "14:51\t.\thint\t2\ttone2~~tone4\t\r\n");
    assert_int_equal(IMPORT(p, "csv", "--preset", "datashop-step", file), ERR_OK);
    assert_string_equal(ask(p, "SELECT item || skills || correct || objective || data || "
                               "ifnull(duration_ms, '-') FROM events WHERE item LIKE 'w01%'"),
                        "w01/done[\"tone2\",\"tone4\"]0Unit 5, Section 2{\"hints\":2}-");

    file = write_text(p, "tx.txt",
                      "Transaction Id\tAnon Student Id\tSession Id\tTime\tDuration (sec)\tProblem "
                      "Name\tStep Name\tAttempt At Step\tOutcome\tKC (Default)\n"
                      "t1\tStu_3\tafc\t2024-02-16 05:34:51\t7\tp\ts\t1\tCORRECT\tk\n"
                      "t2\tStu_3\tafc\t2024-02-16 05:35:51\t7\tp\ts\t2\tHINT\tk\n"
                      "t3\tStu_3\tafc\t2024-02-16 05:36:51\t7\tp\ts\t2\t\tk\n");
    assert_int_equal(IMPORT(p, "csv", "--preset", "datashop-transaction", file), ERR_OK);
    told(p, "skipped: 1");
    assert_string_equal(ask(p, "SELECT group_concat(id || kind || ifnull(correct, '-')) FROM "
                               "events WHERE session = 'afc'"),
                        "t111,t26-");

    file = write_text(
        p, "swahili.csv",
        "subj,session,block,trial,time,item,presentation,type,cue,answer,response,correct,rt\n"
        "604,1,v,1,7.919,2,1,study,pombe,beer,beer,TRUE,6277\n604,2,v,2,9.131,2,2,test,pombe,beer,?"
        ",FALSE,599\n"
        "643,1,v,,,,,,,,,,\n");
    assert_int_equal(IMPORT(p, "csv", "--preset", "swahili", "--prefix", "sw-", file), ERR_OK);
    assert_string_equal(ask(p, "SELECT group_concat(kind || ifnull(correct, '-') || untimed || at) "
                               "FROM events WHERE item = 'sw-2'"),
                        "3111388966414196000,1011389571209730000");

    file = write_text(p, "moodle.tsv",
                      "Event.context\tuser\ttimecreated\tComponent\tEvent.name\tLog\tAction\n"
                      "Forum: \"Q\tu1\t2019-10-26 12:00:00\tForum\tviewed\tx\ty\n"
                      "Quiz\tu1\t2019-10-26 09:00:00\tQuiz\tviewed\tx\ty\n"
                      "Quiz\tu1\t2019-10-26 09:10:00\tQuiz\tviewed\tx\ty\n");
    assert_int_equal(IMPORT(p, "csv", "--preset", "moodle", file), ERR_OK);
    assert_string_equal(ask(p, "SELECT count(*) || ' ' || count(DISTINCT session) FROM events JOIN "
                               "learners USING (learner_id) WHERE external_id = 'u1'"),
                        "3 2");
    file =
        write_text(p, "results.tsv", "user\tGrade.SNA_1\tFinal_grade\nu1\t0\t2.62697022882296\n");
    assert_int_equal(
        IMPORT(p, "csv", "--preset", "moodle-grades", "--map", "time==2019-10-27", file), ERR_OK);
    assert_string_equal(ask(p, "SELECT score || ' ' || untimed FROM events WHERE kind = 51"),
                        "0.262697022882296 1");
}

static void open_university_tables_join(void **state)
{
    struct place *p = *state;
    const char *assessment = write_text(p, "assessment.csv",
                                        "\"code_module\",\"code_presentation\",\"id_assessment\","
                                        "\"assessment_type\",\"date\",\"weight\"\n"
                                        "\"AAA\",\"2013J\",1752,\"TMA\",19,10\n");
    const char *course = write_text(p, "course.csv",
                                    "\"code_module\",\"code_presentation\",\"module_presentation_"
                                    "length\"\n\"AAA\",\"2013J\",268\n");
    const char *done =
        write_text(p, "student_assessment.csv",
                   "\"id_assessment\",\"id_student\",\"date_submitted\",\"is_banked\","
                   "\"score\"\n1752,11391,18,FALSE,78\n1752,5,19,FALSE,NA\n9999,5,19,FALSE,1\n");
    const char *joined =
        write_text(p, "student_registration.csv",
                   "\"code_module\",\"code_presentation\",\"id_student\",\"date_registration\","
                   "\"date_unregistration\"\n"
                   "\"AAA\",\"2013J\",11391,-159,NA\n\"AAA\",\"2013J\",30268,-92,12\n");
    const char *result =
        write_text(p, "student.csv",
                   "\"code_module\",\"code_presentation\",\"id_student\",\"highest_education\","
                   "\"num_of_prev_attempts\",\"studied_credits\",\"final_result\"\n"
                   "\"AAA\",\"2013J\",11391,\"HE Qualification\",0,240,\"Pass\"\n"
                   "\"AAA\",\"2013J\",30268,\"No Formal quals\",2,60,\"Withdrawn\"\n");
    char join[300], join_course[300], join_student[300];

    snprintf(join_student, sizeof join_student, "%s:code_module,code_presentation,id_student",
             result);

    snprintf(join, sizeof join, "%s:id_assessment", assessment);
    snprintf(join_course, sizeof join_course, "%s:code_module,code_presentation", course);
    assert_int_equal(IMPORT(p, "csv", "--preset", "oulad-assessments", "--join", join, done),
                     ERR_OK);
    told(p, "taken: 1\n");
    told(p, "1 x score=NA (first: line 3)");
    told(p, "1 x origin: not a day: (first: line 4)");
    assert_string_equal(
        ask(p, "SELECT course || score || date(at / 1000000, 'unixepoch') || untimed || data FROM "
               "events"),
        "AAA/2013J0.782013-10-191{\"type\":\"TMA\",\"weight\":10,\"carried\":false}");
    assert_int_equal(
        IMPORT(p, "csv", "--preset", "oulad-registrations", "--join", join_student, joined),
        ERR_OK);
    told(p, "taken: 2");
    assert_int_equal(IMPORT(p, "csv", "--preset", "oulad-withdrawals", joined), ERR_OK);
    told(p, "taken: 1");
    assert_int_equal(IMPORT(p, "csv", "--preset", "oulad-results", "--join", join_course, result),
                     ERR_OK);
    told(p, "taken: 1");
    assert_string_equal(
        ask(p, "SELECT group_concat(kind) FROM (SELECT kind FROM events ORDER BY kind)"),
        "50,51,52,52,53");
    assert_string_equal(
        ask(p,
            "SELECT group_concat(external_id || ',' || piece || ',' || date(first_day * 86400, "
            "'unixepoch') || ',' || ifnull(attempts || ',' || credits_milli || ',' || education "
            "|| ',' || ifnull((left_day - first_day) || 'l', passed || 'p'), score_micro || ',' || "
            "carried), ' ') FROM (SELECT * FROM run_work JOIN learners USING (learner_id) ORDER "
            "BY external_id, piece)"),
        "11391,,2013-04-25,0,4000,4,1p 11391,1752,2013-10-19,780000,0 "
        "30268,,2013-07-01,2,1000,1,104l");
}

static void every_preset_is_named_in_the_help(void **state)
{
    const char *text = NULL;

    (void)state;
    for (const struct args_option *o = table_options; o->name; o++)
        text = strcmp(o->name, "preset") == 0 ? o->text : text;
    for (const struct preset *preset = presets; preset->name; preset++)
        if (!strstr(text, preset->name))
            fail_msg("%s", preset->name);
}

static void learners_live_in_a_zone(void **state)
{
    struct place *p = *state;
    const char *file = write_text(p, "mixed.csv", mixed);

    assert_int_equal(IMPORT(p, "csv", MIXED, "--learner-zone", "Asia/Tokyo", file), ERR_OK);
    told(p, "taken: 3\n");
    assert_string_equal(ask(p, "SELECT group_concat(DISTINCT zone) FROM learners"), "Asia/Tokyo");
    /* Tuesday, 10 o'clock in Berlin is 18 o'clock in Tokyo. */
    assert_string_equal(ask(p, "SELECT slot FROM hours WHERE answers > 0 ORDER BY slot LIMIT 1"),
                        "66");
    assert_int_equal(IMPORT(p, "csv", MIXED, "--learner-zone", "Moon/Base", file), ERR_RANGE);
}

static void long_names_are_shortened_and_stay_apart(void **state)
{
    struct place *p = *state;
    struct buf text;

    buf_init(&text, 10000);
    buf_printf(&text, "who;item\n");
    for (int i = 0; i < 2; i++) {
        buf_printf(&text, "ann;");
        for (int k = 0; k < 100; k++)
            buf_printf(&text, "\xc3\xa9");
        buf_printf(&text, "%d\n", i);
    }
    assert_int_equal(IMPORT(p, "csv", "--map", "learner=who", "--map", "item=item", "--map",
                            "correct==1", "--untimed", write_bytes(p, "long.csv", text.p, text.n)),
                     ERR_OK);
    told(p, "taken: 2");
    assert_string_equal(
        ask(p, "SELECT count(DISTINCT item) || ' ' || max(length(CAST(item AS BLOB))) FROM events"),
        "2 127");
    buf_fini(&text);
}

/* ---- native events ---- */

static void native_events_import(void **state)
{
    struct place *p = *state;
    const char *file = write_gzip(
        p, "events.ndjson.gz",
        "{\"id\":\"a\",\"learner\":\"ann\",\"at\":\"2024-01-01T10:00:00Z\",\"kind\":\"answer\","
        "\"item\":\"q\",\"correct\":true}\n"
        "\n"
        "{\"id\":\"b\",\"learner\":\"ann\",\"at\":\"2024-01-01T10:01:00Z\",\"kind\":\"reading\","
        "\"durationMs\":1000,\"color\":\"red\"}\n"
        "{\"id\":\"c\",\"learner\":\"ann\",\"kind\":\n"
        "{\"id\":\"d\",\"learner\":\"ann\",\"at\":\"2024-01-01T10:02:00Z\",\"kind\":\"sleep\"}\n"
        "[1]\n"
        "{\"id\":\"a\",\"learner\":\"ann\",\"at\":\"2024-01-01T10:00:00Z\",\"kind\":\"answer\","
        "\"item\":\"q\",\"correct\":true}\n");

    assert_int_equal(IMPORT(p, "events", file), ERR_OK);
    told(p, "6 rows");
    told(p, "taken: 2\n  duplicates: 1\n  refused: 3");
    told(p, "1 x kind: ");
    told(p, "1 x unknown members (first: line 3)");
    assert_string_equal(ask(p, EVENTS "events.id" BY_TIME), "a b");
    assert_int_equal(IMPORT(p, "events", path_of(p, "absent")), ERR_NOT_FOUND);
    assert_int_equal(import(p, "events", (const char *[]){NULL}), ERR_RANGE);
}

/* ---- Anki ---- */

static void anki_review_log_imports(void **state)
{
    struct place *p = *state;
    const char *file =
        write_text(p, "log.csv",
                   "card_id,review_rating,review_time,review_duration\n"
                   "171,3,2024-03-29T20:32:39.497000+00:00,7241\n171,1,2024-03-29T20:32:32.250000+"
                   "00:00,25060\n"
                   "172,9,2024-03-29T20:40:00.000000+00:00,25060\n172,4,1711800000000,25060\n");

    assert_int_equal(IMPORT(p, "anki", "--learner", "josh", file), ERR_OK);
    told(p, "taken: 3");
    told(p, "1 x rating: not 1 to 4: \"9\" (first: line 4)");
    assert_string_equal(ask(p, EVENTS "external_id || item || rating || duration_ms" BY_TIME),
                        "josh171125060 josh17137241 josh172425060");
    assert_string_equal(ask(p, "SELECT count(*) || ' ' || sum(reviews) FROM cards"), "2 3");
    assert_int_equal(IMPORT(p, "anki", "--learner", "josh", file), ERR_OK);
    told(p, "taken: 0\n  duplicates: 3");
}

static void make_collection(const char *path, bool new_schema)
{
    sqlite3 *db;
    char *message = NULL;
    static const char common[] =
        "CREATE TABLE revlog (id integer primary key, cid integer not null, usn integer, ease "
        "integer, ivl integer, lastIvl integer, factor integer, time integer, type integer);"
        "CREATE TABLE cards (id integer primary key, nid integer, did integer, ord integer, odid "
        "integer);"
        "CREATE TABLE notes (id integer primary key, guid text, mid integer, tags text, flds text);"
        "INSERT INTO notes VALUES (1, 'g', 1, ' heart leech ', 'front\x1f' || 'back');"
        "INSERT INTO cards VALUES (10, 1, 5, 0, 0), (11, 1, 7, 1, 5);"
        "INSERT INTO revlog VALUES (1711684352250, 10, 0, 1, 0, 0, 0, 25060, 0), (1711684359497, "
        "10, 0, 3, 0, 0, 0, 7241, 1),"
        " (1711684360000, 11, 0, 4, 0, 0, 0, 5000, 3), (1711684361000, 10, 0, 0, 0, 0, 0, 0, 4), "
        "(1711684362000, 99, 0, 2, 0, 0, 0, 100, 1), (1711684363000, 10, 0, 7, 0, 0, 0, 100, 1);";
    static const char old[] = "CREATE TABLE col (id integer primary key, decks text);"
                              "INSERT INTO col VALUES (1, "
                              "'{\"1\":{\"id\":1,\"name\":\"Default\"},\"5\":{\"name\":\"Medicine::"
                              "Heart\",\"conf\":{\"new\":[1,2]}},\"7\":{\"name\":\"Cram\"}}');";
    static const char new[] =
        "CREATE TABLE col (id integer primary key, decks text); INSERT INTO col VALUES (1, '');"
        "CREATE TABLE decks (id integer primary key, name text COLLATE NOCASE); INSERT INTO decks "
        "VALUES (1, 'Default'), (5, 'Medicine' || char(31) || 'Heart'), (7, 'Cram');";

    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, common, NULL, NULL, &message) != SQLITE_OK ||
        sqlite3_exec(db, new_schema ? new : old, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void check_collection(struct place *p, const char *learner)
{
    char sql[300];

    told(p, "taken: 4");
    told(p, "skipped: 1\n    1 x rescheduled by hand: no review (first: line 4)");
    told(p, "refused: 1");
    snprintf(sql, sizeof sql,
             "SELECT group_concat(item || '/' || rating || ifnull(course, '-') || ifnull(skills, "
             "'-'), ' ') FROM (SELECT * FROM events JOIN learners USING (learner_id) WHERE "
             "external_id = '%s' ORDER BY at)",
             learner);
    assert_string_equal(
        ask(p, sql),
        "10/1Medicine::Heart[\"heart\",\"leech\"] 10/3Medicine::Heart[\"heart\",\"leech\"] "
        "11/4Medicine::Heart[\"heart\",\"leech\"] 99/2--");
}

static void anki_collections_import(void **state)
{
    struct place *p = *state;

    make_collection(path_of(p, "old.anki2"), false);
    assert_int_equal(IMPORT(p, "anki", "--learner", "old", path_of(p, "old.anki2")), ERR_OK);
    check_collection(p, "old");
    make_collection(path_of(p, "new.anki21"), true);
    assert_int_equal(IMPORT(p, "anki", "--learner", "new", path_of(p, "new.anki21")), ERR_OK);
    check_collection(p, "new");
    assert_int_equal(IMPORT(p, "anki", "--learner", "new", path_of(p, "new.anki21")), ERR_OK);
    told(p, "taken: 0\n  duplicates: 4");
}

struct entry {
    const char *name;
    const void *bytes;
    size_t n;
    bool deflated;
};

static void put_le(struct buf *b, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_putc(b, (char)(v >> 8 * i));
}

static void put_zip_head(struct buf *b, const struct entry *e, uint32_t packed, bool central,
                         uint32_t at)
{
    put_le(b, central ? 0x02014b50 : 0x04034b50, 4);
    if (central)
        put_le(b, 20, 2);
    put_le(b, 20, 2);
    put_le(b, 0, 2);
    put_le(b, e->deflated ? 8 : 0, 2);
    put_le(b, 0, 4);
    put_le(b, (uint32_t)crc32(0, e->bytes, (unsigned)e->n), 4);
    put_le(b, packed, 4);
    put_le(b, (uint32_t)e->n, 4);
    put_le(b, (uint32_t)strlen(e->name), 2);
    put_le(b, 0, 2); /* extra field */
    if (central)
        put_le(b, 0, 4), put_le(b, 0, 4), put_le(b, 0, 2), put_le(b, at, 4);
    buf_put(b, e->name, strlen(e->name));
}

static const char *write_zip(struct place *p, const char *name, const struct entry *entries,
                             int count)
{
    struct buf b, directory;
    const char *path;

    buf_init(&b, 1 << 20);
    buf_init(&directory, 1 << 20);
    for (int i = 0; i < count; i++) {
        const struct entry *e = &entries[i];
        uLongf packed = compressBound(e->n) + 100;
        unsigned char *bytes = malloc(packed);
        z_stream z = {.next_in = (unsigned char *)(uintptr_t)e->bytes,
                      .avail_in = (unsigned)e->n,
                      .next_out = bytes,
                      .avail_out = (unsigned)packed};
        uint32_t at = (uint32_t)b.n;

        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        packed = e->deflated ? packed - z.avail_out : e->n;
        deflateEnd(&z);
        put_zip_head(&b, e, (uint32_t)packed, false, 0);
        buf_put(&b, e->deflated ? (const void *)bytes : e->bytes, packed);
        put_zip_head(&directory, e, (uint32_t)packed, true, at);
        free(bytes);
    }
    size_t start = b.n;

    buf_put(&b, directory.p, directory.n);
    put_le(&b, 0x06054b50, 4);
    put_le(&b, 0, 4);
    put_le(&b, (uint32_t)count, 2);
    put_le(&b, (uint32_t)count, 2);
    put_le(&b, (uint32_t)directory.n, 4);
    put_le(&b, (uint32_t)start, 4);
    put_le(&b, 0, 2);
    path = write_bytes(p, name, b.p, b.n);
    buf_fini(&b);
    buf_fini(&directory);
    return path;
}

static void anki_packages_import(void **state)
{
    struct place *p = *state;
    char packed[100000];
    char *bytes = malloc(100000);

    make_collection(path_of(p, "c.anki2"), true);
    FILE *f = fopen(path_of(p, "c.anki2"), "rb");
    size_t n = fread(bytes, 1, 100000, f);

    fclose(f);
    struct entry plain[] = {{"media", "{}", 2, false}, {"collection.anki2", bytes, n, true}};

    assert_int_equal(IMPORT(p, "anki", "--learner", "plain", write_zip(p, "a.apkg", plain, 2)),
                     ERR_OK);
    check_collection(p, "plain");
    /* In a new package the old name holds a note only: the newest collection counts. */
    size_t packed_n = ZSTD_compress(packed, sizeof packed, bytes, n, 3);
    struct entry both[] = {{"collection.anki2", "nothing", 7, false},
                           {"collection.anki21b", packed, packed_n, false}};

    assert_int_equal(IMPORT(p, "anki", "--learner", "both", write_zip(p, "b.apkg", both, 2)),
                     ERR_OK);
    check_collection(p, "both");

    both[1].n = packed_n / 2; /* cut off */
    assert_int_equal(IMPORT(p, "anki", write_zip(p, "c.apkg", both, 2)), ERR_SYNTAX);
    assert_non_null(strstr(p->detail, "damaged"));
    struct entry none[] = {{"media", "{}", 2, false}};

    assert_int_equal(IMPORT(p, "anki", write_zip(p, "d.apkg", none, 1)), ERR_NOT_FOUND);
    memset(bytes + 200, 0x55, n - 200);
    plain[1].n = n;
    assert_int_not_equal(IMPORT(p, "anki", write_zip(p, "e.apkg", plain, 2)), ERR_OK);
    free(bytes);
}

/* ---- SuperMemo ---- */

static void supermemo_history_imports(void **state)
{
    struct place *p = *state;
    const char *file = write_text(
        p, "gil.txt",
        "Repetition history backup (SuperMemo 18)\nDate=Aug 14, 2023, Mon, 13:13\n"
        "Item #5\n"
        "ElNo=5 Rep=4 Laps=0 Date=07.03.2021 Hour=20.45 Int=180 Grade=3 Priority=88.5 Postpones=1 "
        "Difficulty=0.6 expFI=15\n"
        "ElNo=5 Rep=3 Laps=0 Date=08.09.2020 Hour=25.5 Int=12 Grade=0 Priority=37.3 Difficulty=0.7 "
        "expFI=3\n"
        "ElNo=5 Rep=2 Laps=0 Date=27.08.2020 Hour=10.941 Int=3 Grade=9 expFI=29\n"
        "ElNo=5 Rep=1 Laps=0 Date=24.08.2020 Hour=19 Int=0 Grade=8 Priority=0.55 expFI=99\n"
        "\nItem #6\n"
        "ElNo=6 Rep=1 Laps=0 Date=31.02.2020 Hour=19 Int=0 Grade=4\n"
        "ElNo=6 Rep=2 Laps=x Date=01.02.2020 Hour=19 Int=0 Grade=4\n");

    assert_int_equal(IMPORT(p, "supermemo", file), ERR_OK);
    told(p, "taken: 3");
    told(p, "skipped: 1\n    1 x Grade above 5: no review (first: line 6)");
    told(p, "1 x Date is not dd.mm.yyyy (first: line 10)");
    told(p, "1 x a number is not one (first: line 11)");
    assert_string_equal(ask(p, EVENTS "external_id || item || kind || ifnull(rating, '-') || "
                                      "datetime(at / 1000000, 'unixepoch')" BY_TIME),
                        "gilgil-53-2020-08-24 19:00:00 gilgil-5212020-09-08 01:30:00 "
                        "gilgil-5222021-03-07 20:27:00");
    assert_string_equal(ask(p, "SELECT data FROM events ORDER BY at DESC LIMIT 1"),
                        "{\"rep\":4,\"laps\":0,\"intervalDays\":180,\"expectedForgetting\":0.15}");
    assert_int_equal(IMPORT(p, "supermemo", file), ERR_OK);
    told(p, "taken: 0\n  duplicates: 3");
}

/* ---- catalogue ---- */

static void catalogue_imports(void **state)
{
    struct place *p = *state;
    const char *file = write_text(
        p, "catalog.ndjson",
        "{\"type\":\"course\",\"course\":\"c\",\"name\":\"Anatomy\",\"term\":\"S1\"}\n"
        "{\"type\":\"lecture\",\"lecture\":\"l\",\"course\":\"c\",\"title\":\"The heart\"}\n"
        "{\"type\":\"objective\",\"objective\":\"o1\",\"course\":\"c\",\"lecture\":\"l\",\"name\":"
        "\"Chambers\",\"complexity\":\"BASIC\",\"highYield\":true}\n"
        "{\"type\":\"objective\",\"objective\":\"o2\",\"name\":\"Valves\"}\n"
        "{\"type\":\"objective\",\"objective\":\"o3\",\"name\":\"Lost\",\"course\":\"nowhere\"}\n"
        "{\"type\":\"prerequisite\",\"objective\":\"o2\",\"prerequisite\":\"o1\",\"strength\":0.7}"
        "\n"
        "{\"type\":\"skill\",\"skill\":\"s\",\"name\":\"Reading an ECG\"}\n"
        "{\"type\":\"item\",\"item\":\"i\",\"objective\":\"o2\",\"front\":\"?\",\"back\":\"!\"}\n"
        "{\"type\":\"itemSkill\",\"item\":\"i\",\"skill\":\"s\"}\n"
        "{\"type\":\"learner\",\"learner\":\"ann\",\"zone\":\"Asia/"
        "Tokyo\"}\n{\"type\":\"learner\",\"learner\":\"bob\",\"zone\":\"Moon/Base\"}\n"
        "{\"type\":\"piece\",\"run\":\"r\",\"piece\":\"t1\",\"dueDay\":19,\"weight\":12.5}\n"
        "{\"type\":\"piece\",\"run\":\"r\",\"piece\":\"t2\",\"dueDay\":-3,\"quiz\":true}\n"
        "{\"type\":\"piece\",\"run\":\"r\",\"piece\":\"t3\"}\n"
        "{\"type\":\"run\",\"run\":\"r\",\"course\":\"c\",\"begins\":\"2014-10-01\",\"ends\":"
        "\"2015-06-"
        "27\"}\n"
        "{\"type\":\"run\",\"run\":\"s\",\"course\":\"c\",\"begins\":\"2014-10-01\",\"ends\":"
        "\"2014-06-"
        "27\"}\n"
        "{\"type\":\"run\",\"run\":\"t\",\"course\":\"c\",\"begins\":\"2014-10-01\",\"days\":240}\n"
        "{\"type\":\"planet\"}\n{\"type\":\"skill\",\"skill\":\"t\"}\nnot json\n"
        "{\"type\":\"course\",\"course\":\"c\",\"name\":\"Anatomy I\"}\n"
        "{\"type\":\"course\",\"course\":\"c\",\"name\":\"Anatomy II\"}\n");

    assert_int_equal(IMPORT(p, "catalog", file), ERR_OK);
    told(p, "22 rows");
    told(p, "taken: 15\n  refused: 7");
    told(p, "line 5: names something that is not there");
    told(p, "line 14: dueDay: is missing");
    told(p, "line 19: name: is missing");
    assert_string_equal(ask(p,
                            "SELECT group_concat(piece || due_day || ',' || weight || quiz) FROM "
                            "run_pieces"),
                        "t119,12.50,t2-3,0.01");
    assert_string_equal(ask(p, "SELECT run || course || (ends - begins) FROM course_runs"),
                        "rc269");
    assert_string_equal(ask(p, "SELECT group_concat(external_id || zone) FROM learners"),
                        "annAsia/Tokyo");
    assert_string_equal(ask(p, "SELECT name || term FROM courses"), "Anatomy IIS1");
    assert_string_equal(
        ask(p, "SELECT group_concat(objective || complexity || high_yield) FROM objectives"),
        "o1BASIC1,o2INTERMEDIATE0");
    assert_string_equal(
        ask(p, "SELECT objective || prerequisite || strength FROM objective_prerequisites"),
        "o2o10.7");
    assert_string_equal(ask(p, "SELECT skill || front FROM items JOIN item_skills USING (item)"),
                        "s?");
    assert_int_equal(IMPORT(p, "catalog", "--dry-run", file), ERR_OK);
    told(p, "would be taken: 18");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_end)
    const struct CMUnitTest tests[] = {
        TEST(answers_without_times_keep_their_order),
        TEST(three_lines_a_learner),
        TEST(bad_rows_are_told_with_reasons),
        TEST(a_dry_run_stores_nothing),
        TEST(wrong_options_are_named),
        TEST(an_interrupted_import_goes_on),
        TEST(known_layouts_import),
        TEST(open_university_tables_join),
        TEST(every_preset_is_named_in_the_help),
        TEST(learners_live_in_a_zone),
        TEST(long_names_are_shortened_and_stay_apart),
        TEST(native_events_import),
        TEST(anki_review_log_imports),
        TEST(anki_collections_import),
        TEST(anki_packages_import),
        TEST(supermemo_history_imports),
        TEST(catalogue_imports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
