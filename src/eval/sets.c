#include "eval/sets.h"

#include "base/assert.h"
#include "base/civil.h"
#include "base/hash.h"
#include "eval/answers.h"
#include "eval/courses.h"
#include "eval/reviews.h"
#include "import/import.h"
#include "import/source.h"
#include "import/supermemo.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SPLIT_SEED = 42, /* of the published splits */
    PEOPLE_MAX = 64,
    LINE_BYTES_MAX = 4096,
    NAMES_BYTES_MAX = 256 << 20,
};
static const double test_share = 0.2;
/* When a person's day begins, UTC: in the middle of the hours in which that person never reviews.
 */
static const int64_t anki_day_begins_us = 11 * US_PER_HOUR;

struct place {
    const char *folder, *set; /* set: its last name */
    const struct sets_options *options;
    char *detail;
};

static void path_of(const struct place *p, const char *file, char ret[PATH_MAX])
{
    if (snprintf(ret, PATH_MAX, "%s/%s", p->folder, file) >= PATH_MAX)
        *ret = 0; /* no such file */
}

static bool has(const struct place *p, const char *file)
{
    char path[PATH_MAX];

    path_of(p, file, path);
    return access(path, R_OK) == 0;
}

/* ---- through the importers ---- */

struct run {
    const char *importer, *file;
    enum err (*sink)(void *user, const struct event *e);
    void *user;
    const char *options[SETS_OPTIONS_MAX + 1]; /* ends in NULL */
};

static enum err run_import(const struct place *p, const struct run *run)
{
    const struct importer *row = importers;
    const struct import_context ctx = {
        .sink = run->sink,
        .sink_user = run->user,
        .future_max_us = US_PER_DAY,
        .batch_events = 1024,
    };
    char path[PATH_MAX], *argv[COUNT(run->options) + 1];
    struct args args;
    int argc = 0;

    while (strcmp(row->name, run->importer) != 0)
        row++;
    for (; run->options[argc]; argc++)
        argv[argc] = (char *)(uintptr_t)run->options[argc]; /* reordered, not written to */
    path_of(p, run->file, path);
    argv[argc++] = path;
    enum err e = args_parse(row->options, argc, argv, &args, p->detail);

    return e == ERR_OK ? row->run(row, &ctx, &args, p->detail) : e;
}

/* ---- answers ---- */

struct part {
    struct answers *answers;
    bool test;
};

static enum err take_answer(void *user, const struct event *e)
{
    const struct part *part = user;

    return answers_add(part->answers, e, part->test);
}

static enum err read_gervet(const struct place *p, const char *file, bool test, struct answers *a)
{
    char skills[PATH_MAX + 16];
    struct part part = {a, test};
    struct run run = {"csv", file, take_answer, &part, {"--preset=gervet", skills, NULL}};

    snprintf(skills, sizeof skills, "--skills-file=%s/item_skills.tsv.gz", p->folder);
    return run_import(p, &run);
}

static enum err load_gervet(const struct place *p, struct answers *a)
{
    if (!has(p, "train.tsv.gz")) {
        enum err e = read_gervet(p, "test.tsv.gz", false, a);

        return e == ERR_OK ? answers_split(a, SPLIT_SEED, test_share) : e;
    }
    enum err e = read_gervet(p, "train.tsv.gz", false, a);

    return e == ERR_OK ? read_gervet(p, "test.tsv.gz", true, a) : e;
}

/* Learners are numbered in each file from one: a prefix keeps the two parts' apart. */
static enum err load_dkvmn(const struct place *p, struct answers *a)
{
    struct part train = {a, false}, test = {a, true};
    const struct run first = {"csv",
                              "train.txt.gz",
                              take_answer,
                              &train,
                              {"--preset=dkvmn", "--learner-prefix=train-", NULL}},
                     second = {"csv",
                               "test.txt.gz",
                               take_answer,
                               &test,
                               {"--preset=dkvmn", "--learner-prefix=test-", NULL}};
    enum err e = run_import(p, &first);

    return e == ERR_OK ? run_import(p, &second) : e;
}

/* Until the first key: what it took to remember, not to type. */
static const char start_latency[] = "--map=latency=CF..Start.Latency.";

static enum err load_cloze(const struct place *p, struct answers *a)
{
    struct part part = {a, false};
    const struct run run = {"csv",
                            "rows.tsv.gz",
                            take_answer,
                            &part,
                            {"--preset=cloze", "--sort", start_latency, NULL}};
    enum err e = run_import(p, &run);

    return e == ERR_OK ? answers_split(a, SPLIT_SEED, test_share) : e;
}

static enum err evaluate_answers(const struct place *p,
                                 enum err (*load)(const struct place *p, struct answers *a))
{
    struct answers *a = NULL;
    enum err e = answers_new(&a);

    if (e == ERR_OK)
        e = load(p, a);
    if (e == ERR_OK)
        e = answers_evaluate(a, p->set, p->options->resamples, p->options->out);
    answers_free(a);
    return e;
}

static enum err evaluate_gervet(const struct place *p)
{
    return evaluate_answers(p, load_gervet);
}

static enum err evaluate_dkvmn(const struct place *p)
{
    return evaluate_answers(p, load_dkvmn);
}

static enum err evaluate_cloze(const struct place *p)
{
    return evaluate_answers(p, load_cloze);
}

/* ---- reviews ---- */

struct person {
    char name[64];
    struct arena arena; /* of the cards' names */
    struct strmap cards;
    struct review *reviews;
    int64_t count, cap;
    struct retention learnt; /* from all of the reviews */
};

static void person_init(struct person *person, struct str name)
{
    *person = (struct person){0};
    snprintf(person->name, sizeof person->name, STR_FMT, STR_ARG(name));
    arena_init(&person->arena, NAMES_BYTES_MAX);
    strmap_init(&person->cards, &person->arena);
}

static void person_fini(struct person *person)
{
    arena_fini(&person->arena);
    free(person->reviews);
}

static enum err add_review(struct person *person, struct str card, struct review r)
{
    uintptr_t known = (uintptr_t)strmap_get(&person->cards, card);

    if (person->count == person->cap) {
        int64_t cap = person->cap ? person->cap * 2 : 1024;
        struct review *more =
            cap <= REVIEWS_MAX ? realloc(person->reviews, (size_t)cap * sizeof *more) : NULL;

        if (!more)
            return cap <= REVIEWS_MAX ? ERR_NOMEM : ERR_TOO_LARGE;
        person->reviews = more, person->cap = cap;
    }
    if (!known) {
        struct str key = arena_str(&person->arena, card);
        void **slot = key.p ? strmap_slot(&person->cards, key) : NULL;

        if (!slot)
            return ERR_NOMEM;
        known = person->cards.count;
        *slot = (void *)known;
    }
    r.card = (uint32_t)(known - 1);
    person->reviews[person->count++] = r;
    return ERR_OK;
}

static enum err take_review(void *user, const struct event *e)
{
    if (e->kind != EVENT_REVIEW || !e->rating || !e->item.p)
        return ERR_OK;
    return add_review(user, e->item,
                      (struct review){
                          .day = (int32_t)((e->at - anki_day_begins_us) / US_PER_DAY),
                          .at_s = e->at / US_PER_S,
                          .grade = (uint8_t)e->rating,
                          .rival = NAN,
                      });
}

static enum err evaluate_anki(const struct place *p)
{
    struct person person;

    person_init(&person, STR("online"));
    const struct reviews_prior none = {0};
    const struct run run = {"anki", "review_logs.csv.gz", take_review, &person, {NULL}};
    enum err e = run_import(p, &run);

    if (e == ERR_OK)
        e = reviews_evaluate(person.reviews, person.count, &none, p->set, "online", NULL,
                             p->options->resamples, p->options->out);
    person_fini(&person);
    return e;
}

/* ---- SuperMemo: one block an item, newest row first ---- */

enum { ROWS_MAX = 4096 }; /* repetitions of one item */

struct block {
    struct sm_row {
        struct review review;
        int64_t rep, laps;
        bool unasked; /* grade above 5, or no forecast */
        int32_t seq;  /* place in the block */
    } rows[ROWS_MAX];
    int32_t count;
    char item[64];
};

/* By day; within one as in the file, which is how the published counts come about. */
static int by_day(const void *pa, const void *pb)
{
    const struct sm_row *a = pa, *b = pb;

    if (a->review.day != b->review.day)
        return a->review.day < b->review.day ? -1 : 1;
    return a->seq - b->seq;
}

/* The published filter: an item counts when its history begins with its introduction, every row
 * after that was asked and forecast; then the first row of each day. */
static enum err end_block(struct block *b, struct person *person)
{
    enum err e = ERR_OK;
    int32_t last_day = INT32_MIN;
    bool whole;

    for (int32_t i = 0; i < b->count; i++)
        b->rows[i].seq = i;
    qsort(b->rows, (size_t)b->count, sizeof b->rows[0], by_day);
    whole = b->count > 0 && b->rows[0].rep == 1 && b->rows[0].laps == 0;
    for (int32_t i = 1; i < b->count; i++)
        whole = whole && !b->rows[i].unasked;
    for (int32_t i = 1; i < b->count && whole && e == ERR_OK; i++) {
        if (b->rows[i].review.day == last_day)
            continue;
        last_day = b->rows[i].review.day;
        e = add_review(person, str_from(b->item), b->rows[i].review);
    }
    b->count = 0;
    return e;
}

static enum err take_row(struct block *b, struct str line)
{
    struct repetition r;
    double fi = 100;

    if (repetition_read(line, &r) || b->count == ROWS_MAX)
        return ERR_SYNTAX;
    if (str_to_f64(r.exp_fi, &fi) != ERR_OK || fi < 0 || fi > 100)
        fi = 100; /* none was made */
    snprintf(b->item, sizeof b->item, STR_FMT, STR_ARG(r.item));
    b->rows[b->count++] = (struct sm_row){
        .review = {.day = r.day,
                   /* some rows have no hour: noon */
                   .at_s = (int64_t)r.day * 86400 + (r.have_hour ? repetition_second(&r) : 43200),
                   .grade = (uint8_t)repetition_rating(r.grade),
                   .rival = (float)(1 - fi / 100)},
        .rep = r.rep,
        .laps = r.laps,
        .unasked = repetition_rating(r.grade) == 0 || fi >= 100,
    };
    return ERR_OK;
}

static int by_review_time(const void *pa, const void *pb)
{
    const struct review *a = pa, *b = pb;

    if (a->at_s != b->at_s)
        return a->at_s < b->at_s ? -1 : 1;
    return (a->card > b->card) - (a->card < b->card);
}

static enum err read_supermemo_lines(struct source *s, struct block *b, struct person *person)
{
    enum err e = ERR_OK;
    struct str line;

    while (e == ERR_OK && (e = source_line(s, LINE_BYTES_MAX, &line)) == ERR_OK) {
        if (str_starts(line, STR("Item #")))
            e = end_block(b, person);
        else if (str_starts(line, STR("ElNo=")))
            e = take_row(b, line);
    }
    return e == ERR_EOF ? end_block(b, person) : e;
}

static enum err load_supermemo(const struct place *p, const char *file, struct person *person)
{
    char path[PATH_MAX];
    struct source *s = NULL;
    struct block *b = calloc(1, sizeof *b);

    person_init(person, source_stem(file));
    path_of(p, file, path);
    enum err e = b ? source_open(path, &s, p->detail) : ERR_NOMEM;

    if (e == ERR_OK) {
        e = read_supermemo_lines(s, b, person);
        if (e != ERR_OK)
            snprintf(p->detail, ARGS_DETAIL_MAX, "%.200s, line %lld: %s", path, (long long)s->line,
                     e == ERR_SYNTAX ? "not a repetition" : err_text(e));
    }
    source_close(s);
    free(b);
    if (person->count)
        qsort(person->reviews, (size_t)person->count, sizeof *person->reviews, by_review_time);
    return e;
}

/* What the person's reviews teach, as a prior for the others. */
static enum err learn_weights(struct person *person)
{
    struct forecast *f = calloc((size_t)person->count + 1, sizeof *f);
    const struct reviews_prior none = {0};
    int64_t n;
    enum err e = f ? reviews_forecast(person->reviews, person->count, REVIEWS_DOPPEL, &none, f, &n,
                                      &person->learnt)
                   : ERR_NOMEM;

    free(f);
    return e;
}

/* Each person is forecast with what the other people in the folder taught, and nothing of his own:
 * as a server does that has had other learners. */
static enum err evaluate_people(const struct place *p, struct person *people, int count)
{
    enum err e = ERR_OK;

    for (int i = 0; i < count && e == ERR_OK; i++)
        e = learn_weights(&people[i]);
    for (int i = 0; i < count && e == ERR_OK; i++) {
        const struct retention *others[PEOPLE_MAX];
        struct reviews_prior prior = {0};
        struct retention_prior learnt;
        int32_t n = 0;

        for (int j = 0; j < count; j++)
            if (j != i)
                others[n++] = &people[j].learnt;
        if (n > 0) {
            e = retention_population(others, n, &learnt);
            prior = (struct reviews_prior){&learnt.recall, &learnt.fsrs};
        }
        if (e == ERR_OK)
            e = reviews_evaluate(people[i].reviews, people[i].count, &prior, p->set, people[i].name,
                                 "sm-15", p->options->resamples, p->options->out);
    }
    return e;
}

static int is_text(const struct dirent *d)
{
    return str_ends(str_from(d->d_name), STR(".txt.gz"));
}

static enum err evaluate_supermemo(const struct place *p)
{
    struct person *people = calloc(PEOPLE_MAX, sizeof *people);
    struct dirent **files = NULL;
    int count = 0, n = people ? scandir(p->folder, &files, is_text, alphasort) : 0;
    enum err e = people && n >= 0 ? ERR_OK : ERR_NOMEM;

    for (int i = 0; i < n; i++) {
        if (e == ERR_OK && count < PEOPLE_MAX)
            e = load_supermemo(p, files[i]->d_name, &people[count++]);
        free(files[i]);
    }
    free(files);
    if (e == ERR_OK)
        e = evaluate_people(p, people, count);
    for (int i = 0; i < count; i++)
        person_fini(&people[i]);
    free(people);
    return e;
}

/* ---- courses ---- */

static struct courses_options courses_of(const struct place *p)
{
    return (struct courses_options){p->folder, p->set, p->options->resamples, p->options->out,
                                    p->detail};
}

static enum err evaluate_coursework(const struct place *p)
{
    const struct courses_options o = courses_of(p);

    return p->options->weights ? courses_print_weights(&o) : courses_evaluate_coursework(&o);
}

static enum err evaluate_visits(const struct place *p)
{
    const struct courses_options o = courses_of(p);

    return p->options->weights ? courses_print_visit_weights(&o) : courses_evaluate_visits(&o);
}

/* ---- folders ---- */

/* The first layout whose files are there. */
static const struct layout {
    const char *files[3];
    enum err (*evaluate)(const struct place *p);
} layouts[] = {
    {{"test.tsv.gz", "item_skills.tsv.gz"}, evaluate_gervet},
    {{"train.txt.gz", "test.txt.gz"}, evaluate_dkvmn},
    {{"rows.tsv.gz"}, evaluate_cloze},
    {{"review_logs.csv.gz"}, evaluate_anki},
    {{"assessment.csv.gz", "student.csv.gz", "student_assessment.csv.gz"}, evaluate_coursework},
    {{"events.tsv.gz", "results.tsv.gz"}, evaluate_visits},
};

/* SuperMemo's text has no fixed name: its first line tells it. */
static bool has_supermemo(const struct place *p)
{
    char path[PATH_MAX], ignored[ARGS_DETAIL_MAX];
    struct dirent **files = NULL;
    struct source *s = NULL;
    struct str line;
    bool found = false;
    int n = scandir(p->folder, &files, is_text, alphasort);

    for (int i = 0; i < n; i++) {
        if (i == 0) {
            path_of(p, files[i]->d_name, path);
            found = source_open(path, &s, ignored) == ERR_OK &&
                    source_line(s, LINE_BYTES_MAX, &line) == ERR_OK &&
                    str_starts(line, STR("Repetition history"));
            source_close(s);
        }
        free(files[i]);
    }
    free(files);
    return found;
}

static enum err evaluate_place(const struct place *p)
{
    for (size_t i = 0; i < COUNT(layouts); i++) {
        bool all = true;

        for (size_t j = 0; j < COUNT(layouts[i].files) && layouts[i].files[j]; j++)
            all = all && has(p, layouts[i].files[j]);
        if (all)
            return layouts[i].evaluate(p);
    }
    return has_supermemo(p) ? evaluate_supermemo(p) : ERR_NOT_FOUND;
}

static int is_folder(const struct dirent *d)
{
    return d->d_name[0] != '.' && (d->d_type == DT_DIR || d->d_type == DT_UNKNOWN);
}

static enum err evaluate_within(const char *folder, const struct sets_options *options,
                                char *ret_detail)
{
    struct dirent **found = NULL;
    int n = scandir(folder, &found, is_folder, alphasort), known = 0;
    enum err e = ERR_OK;

    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        const struct place p = {path, found[i]->d_name, options, ret_detail};

        if (e == ERR_OK &&
            snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name) < PATH_MAX) {
            e = evaluate_place(&p);
            known += e == ERR_OK;
            e = e == ERR_NOT_FOUND && !*ret_detail ? ERR_OK : e;
            fflush(options->out);
        }
    }
    for (int i = 0; i < n; i++)
        free(found[i]);
    free(found);
    return e == ERR_OK && known == 0 ? ERR_NOT_FOUND : e;
}

enum err sets_evaluate(const char *folder, const struct sets_options *options, char *ret_detail)
{
    char resolved[PATH_MAX];

    *ret_detail = 0;
    if (!realpath(folder, resolved)) { /* also for the set's name, should it be "." */
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.200s: %s", folder, strerror(errno));
        return ERR_IO;
    }
    const char *slash = strrchr(resolved, '/');
    const struct place p = {resolved, slash[1] ? slash + 1 : slash, options, ret_detail};
    enum err e = evaluate_place(&p);

    if (e == ERR_NOT_FOUND && !*ret_detail)
        e = evaluate_within(resolved, options, ret_detail);
    if (e == ERR_NOT_FOUND && !*ret_detail)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.200s: no data set of a known layout", folder);
    else if (e != ERR_OK && !*ret_detail)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.200s: %s", folder, err_text(e));
    return e;
}

enum err sets_evaluate_table(const char *file, const char *const *csv_options, int32_t count,
                             const struct sets_options *options, char *ret_detail)
{
    const char *slash = strrchr(file, '/');
    char folder[PATH_MAX], set[NAME_MAX + 1];
    struct str stem = source_stem(file);
    struct answers *a = NULL;

    *ret_detail = 0;
    ASSERT(count >= 0 && count <= SETS_OPTIONS_MAX);
    if (snprintf(folder, sizeof folder, "%.*s", slash > file ? (int)(slash - file) : 1,
                 slash ? file : ".") >= PATH_MAX)
        return ERR_NOT_FOUND;
    snprintf(set, sizeof set, STR_FMT, STR_ARG(stem));
    enum err e = answers_new(&a);
    if (e != ERR_OK)
        return e;

    struct part part = {a, false};
    struct run run = {"csv", slash ? slash + 1 : file, take_answer, &part, {NULL}};
    const struct place p = {folder, set, options, ret_detail};
    memcpy(run.options, csv_options, (size_t)count * sizeof *csv_options);
    e = run_import(&p, &run);
    if (e == ERR_OK && answers_learners(a) < 2) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.200s: no graded answers of two learners or more",
                 file);
        e = ERR_UNPROCESSABLE;
    }
    if (e == ERR_OK)
        e = answers_split(a, SPLIT_SEED, test_share);
    if (e == ERR_OK)
        e = answers_evaluate(a, set, options->resamples, options->out);
    answers_free(a);
    return e;
}
