#include "sim/print.h"

#include "base/assert.h"
#include "sim/life.h"

#include <inttypes.h>

enum { TEXT_MAX = 1 << 20, EVENT_TEXT_MAX = 4096 };

/* ---- pieces ---- */

static char *put_digits(char *p, uint64_t v, int at_least)
{
    char text[20];
    int n = 0;

    do
        text[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0 || n < at_least);
    while (n > 0)
        *p++ = text[--n];
    return p;
}

static void put(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

static void put_int(struct buf *b, int64_t v)
{
    char text[24], *p = text;

    if (v < 0)
        *p++ = '-';
    p = put_digits(p, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1);
    buf_put(b, text, (size_t)(p - text));
}

/* v thousandths (or hundredths) as a number without needless zeros. */
static void put_scaled(struct buf *b, int64_t v, int decimals)
{
    int64_t scale = decimals == 2 ? 100 : 1000, rest = (v < 0 ? -v : v) % scale;
    char text[8], *p = text;

    if (v < 0 && v > -scale)
        buf_putc(b, '-');
    put_int(b, v / scale);
    if (!rest)
        return;
    *p++ = '.';
    p = put_digits(p, (uint64_t)rest, decimals);
    while (p[-1] == '0')
        p--;
    buf_put(b, text, (size_t)(p - text));
}

static void put_key(struct sim_out *o, const char *name)
{
    struct buf *b = &o->text;
    char last = b->n ? b->p[b->n - 1] : '{';

    if (last != '{' && last != '[' && last != '\n')
        buf_putc(b, ',');
    if (!name)
        return;
    buf_putc(b, '"');
    put(b, name);
    buf_put(b, "\":", 2);
}

/* ---- events ---- */

void sim_out_init(struct sim_out *o, FILE *file, const struct sim_world *w)
{
    *o = (struct sim_out){.file = file, .w = w, .utc_day = INT32_MIN};
    buf_init(&o->text, TEXT_MAX);
}

void sim_out_fini(struct sim_out *o)
{
    buf_fini(&o->text);
}

enum err sim_out_flush(struct sim_out *o)
{
    if (o->text.failed || fwrite(o->text.p ? o->text.p : "", 1, o->text.n, o->file) != o->text.n)
        return ERR_IO;
    buf_clear(&o->text);
    return ERR_OK;
}

static void put_time(struct sim_out *o, int64_t at)
{
    int64_t ms = at / US_PER_MS;
    int32_t day = (int32_t)(ms / 86400000), rest = (int32_t)(ms % 86400000);
    char text[32], *p = text;

    if (day != o->utc_day) {
        o->utc_day = day;
        date_print(day, o->date);
    }
    memcpy(p, o->date, 10);
    p += 10;
    *p++ = 'T';
    p = put_digits(p, (uint64_t)rest / 3600000, 2);
    *p++ = ':';
    p = put_digits(p, (uint64_t)rest / 60000 % 60, 2);
    *p++ = ':';
    p = put_digits(p, (uint64_t)rest / 1000 % 60, 2);
    *p++ = '.';
    p = put_digits(p, (uint64_t)rest % 1000, 3);
    *p++ = 'Z';
    buf_put(&o->text, text, (size_t)(p - text));
}

static void put_learner_id(struct buf *b, const struct sim_world *w, int32_t number)
{
    char text[16];

    buf_str(b, w->o.learner_prefix);
    buf_put(b, text, (size_t)(put_digits(text, (uint64_t)number + 1, 4) - text));
}

void sim_event(struct sim_out *o, const char *kind, int64_t at)
{
    struct buf *b = &o->text;

    ASSERT(at >= 0 && at % US_PER_MS == 0);
    if (b->n > TEXT_MAX - 4 * EVENT_TEXT_MAX && sim_out_flush(o) != ERR_OK)
        b->failed = true;
    o->events++;
    put(b, "{\"id\":\"e");
    put_int(b, (int64_t)(o->w->o.seed % 1000000007));
    buf_putc(b, '-');
    put_int(b, ++o->number);
    put(b, "\",\"learner\":\"");
    put_learner_id(b, o->w, o->l->number);
    put(b, "\",\"at\":\"");
    put_time(o, at);
    put(b, "\",\"kind\":\"");
    put(b, kind);
    buf_putc(b, '"');
}

void sim_event_end(struct sim_out *o)
{
    buf_put(&o->text, "}\n", 2);
}

void sim_put_word(struct sim_out *o, const char *name, const char *word)
{
    put_key(o, name);
    buf_putc(&o->text, '"');
    put(&o->text, word);
    buf_putc(&o->text, '"');
}

void sim_put_text(struct sim_out *o, const char *name, const char *prefix, int64_t number)
{
    put_key(o, name);
    buf_putc(&o->text, '"');
    put(&o->text, prefix);
    put_int(&o->text, number);
    buf_putc(&o->text, '"');
}

void sim_put_int(struct sim_out *o, const char *name, int64_t v)
{
    put_key(o, name);
    put_int(&o->text, v);
}

void sim_put_centi(struct sim_out *o, const char *name, int64_t v)
{
    put_key(o, name);
    put_scaled(&o->text, v, 2);
}

void sim_put_true(struct sim_out *o, const char *name, bool v)
{
    put_key(o, name);
    put(&o->text, v ? "true" : "false");
}

void sim_put_open(struct sim_out *o, const char *name, char bracket)
{
    put_key(o, name);
    buf_putc(&o->text, bracket);
}

void sim_put_close(struct sim_out *o, char bracket)
{
    buf_putc(&o->text, bracket);
}

void sim_put_element(struct sim_out *o, char bracket)
{
    put_key(o, NULL);
    buf_putc(&o->text, bracket);
}

static void put_objective_id(struct buf *b, int32_t objective)
{
    put(b, "\"objective-");
    put_int(b, objective / SIM_COURSE_OBJECTIVES + 1);
    buf_putc(b, '-');
    put_int(b, objective % SIM_COURSE_OBJECTIVES + 1);
    buf_putc(b, '"');
}

void sim_put_objective(struct sim_out *o, const char *name, int32_t objective)
{
    put_key(o, name);
    put_objective_id(&o->text, objective);
}

void sim_put_course(struct sim_out *o, int32_t course)
{
    sim_put_text(o, "course", "course-", course + 1);
}

/* ---- truth ---- */

static int32_t lecture_of(int32_t objective)
{
    return objective / SIM_OBJECTIVES; /* courses one behind the other */
}

static void print_day(FILE *f, const struct sim_world *w, int32_t day)
{
    char date[DATE_TEXT_MAX];

    date_print(w->o.start_day + day, date);
    fprintf(f, "\"%s\"", date);
}

static void print_objective(FILE *f, int32_t o)
{
    fprintf(f, "\"objective-%d-%d\"", o / SIM_COURSE_OBJECTIVES + 1, o % SIM_COURSE_OBJECTIVES + 1);
}

/* v thousandths. Values are bounded far below 2^31. */
static void print_milli(FILE *f, const char *name, int64_t v)
{
    fprintf(f, "\"%s\":%s%" PRId64 ".%03" PRId64, name, v < 0 ? "-" : "", (v < 0 ? -v : v) / 1000,
            (v < 0 ? -v : v) % 1000);
}

void sim_truth_begin(FILE *f, const struct sim_world *w)
{
    fprintf(f,
            "{\"generator\":\"doppel simulate\",\"model\":2,\"seed\":%" PRIu64
            ",\"days\":%d,\"start\":",
            w->o.seed, w->o.days);
    print_day(f, w, 0);
    fprintf(f, ",\n\"exams\":[");
    for (int32_t i = 0; i < w->exam_count; i++) {
        fprintf(f, "%s{\"exam\":\"exam-%s-%d\",\"course\":\"course-%d\",\"day\":", i ? "," : "",
                w->exams[i].final ? "final" : "midterm", w->exams[i].course + 1,
                w->exams[i].course + 1);
        print_day(f, w, w->exams[i].day);
        fprintf(f, "}");
    }
    fprintf(f, "],\n\"objectives\":[");
    for (int32_t i = 0; i < SIM_ALL_OBJECTIVES; i++) {
        const struct sim_objective *o = &w->objectives[i];

        fprintf(f, "%s\n{\"objective\":", i ? "," : "");
        print_objective(f, i);
        fprintf(f, ",\"course\":\"course-%d\",\"lecture\":\"lecture-%d\",\"prerequisites\":[",
                i / SIM_COURSE_OBJECTIVES + 1, lecture_of(i) + 1);
        for (int32_t k = 0; k < o->prerequisite_count; k++) {
            fprintf(f, "%s{\"objective\":", k ? "," : "");
            print_objective(f, o->prerequisites[k]);
            fprintf(f, ",");
            print_milli(f, "strength", o->strength_centi[k] * 10);
            fprintf(f, "}");
        }
        fprintf(f, "]}");
    }
    fprintf(f, "],\n\"items\":[");
    for (int32_t i = 0; i < SIM_ALL_ITEMS; i++) {
        fprintf(f, "%s\n{\"item\":\"q-%d\",", i ? "," : "", i + 1);
        print_milli(f, "difficulty", w->difficulty[i]);
        fprintf(f, ",\"skills\":[");
        print_objective(f, i / SIM_ITEMS);
        if (w->second_skill[i] >= 0) {
            fprintf(f, ",");
            print_objective(f, w->second_skill[i]);
        }
        fprintf(f, "]}");
    }
    fprintf(f, "],\n\"cards\":[");
    for (int32_t i = 0; i < SIM_ALL_CARDS; i++) {
        fprintf(f, "%s\n{\"card\":\"card-%d\",\"objective\":", i ? "," : "", i + 1);
        print_objective(f, i / SIM_CARDS);
        fprintf(f, ",");
        print_milli(f, "ease", w->card_ease[i]);
        fprintf(f, "}");
    }
    fprintf(f, "],\n\"learners\":[");
}

static void print_effects(FILE *f, const struct sim_world *w, const struct sim_learner *l)
{
    fprintf(f, "\"noEffect\":%s,\"hour\":{\"best\":", l->no_effect ? "true" : "false");
    if (l->hour_effect)
        fprintf(f, "%d,", l->best_hour);
    else
        fprintf(f, "null,");
    print_milli(f, "amplitude", l->hour_effect);
    fprintf(f, "},\"fatigue\":{\"fromMinute\":");
    if (l->fatigue_minute)
        fprintf(f, "%d,", l->fatigue_minute);
    else
        fprintf(f, "null,");
    print_milli(f, "slopePerMinute", l->fatigue_slope);
    fprintf(f, "},\"optimalSessionMinutes\":");
    if (l->fatigue_minute)
        fprintf(f, "%d", l->fatigue_minute);
    else
        fprintf(f, "null");
    fprintf(f, ",\"modalities\":{");
    for (int32_t m = 0; m < SIM_MODALITIES; m++) {
        if (m)
            fprintf(f, ",");
        print_milli(f, sim_modalities[m], m == l->modality ? l->modality_effect : 0);
    }
    fprintf(f, "},\"overload\":[");
    for (int32_t i = 0; i < l->overload_count; i++) {
        fprintf(f, "%s{\"from\":", i ? "," : "");
        print_day(f, w, l->overload[i].first_day);
        fprintf(f, ",\"to\":");
        print_day(f, w, l->overload[i].last_day);
        fprintf(f, "}");
    }
    fprintf(f, "],\"burnoutFrom\":");
    if (l->burnout_day >= 0)
        print_day(f, w, l->burnout_day);
    else
        fprintf(f, "null");
}

static void print_tally(FILE *f, const struct sim_world *w, const struct sim_tally *t)
{
    bool first = true;

    fprintf(f, ",\n \"missedDays\":[");
    for (int32_t d = 0; d < w->o.days; d++)
        if (!(t->studied[d / 8] >> d % 8 & 1)) {
            fprintf(f, first ? "" : ",");
            print_day(f, w, d);
            first = false;
        }
    fprintf(f, "],\n \"exams\":[");
    for (int32_t i = 0; i < w->exam_count; i++) {
        fprintf(f, "%s", i ? "," : "");
        if (t->exam_score_centi[i] < 0)
            fprintf(f, "null");
        else
            fprintf(f, "%d.%02d", t->exam_score_centi[i] / 100, t->exam_score_centi[i] % 100);
    }
    fprintf(f, "],\n \"cards\":[");
    first = true;
    for (int32_t i = 0; i < SIM_ALL_CARDS; i++) {
        char at[TIME_TEXT_MAX];

        if (!t->cards[i].reviews)
            continue;
        time_print(t->cards[i].last_at, at);
        fprintf(f, "%s{\"card\":\"card-%d\",", first ? "" : ",", i + 1);
        print_milli(f, "stabilityDays", t->cards[i].stability_milli);
        fprintf(f, ",\"reviews\":%d,\"lastAt\":\"%s\"}", t->cards[i].reviews, at);
        first = false;
    }
    fprintf(f,
            "],\n \"counts\":{\"events\":%" PRId64 ",\"sessions\":%" PRId64
            ",\"completed\":%" PRId64 ",\"answers\":%" PRId64 ",\"correct\":%" PRId64
            ",\"reviews\":%" PRId64 ",\"recalled\":%" PRId64 ",\"studyMs\":%" PRId64 "}",
            t->events, t->sessions, t->completed, t->answers, t->correct, t->reviews, t->recalled,
            t->study_ms);
}

void sim_truth_learner(FILE *f, const struct sim_world *w, const struct sim_learner *l,
                       const struct sim_tally *t, struct buf *scratch)
{
    struct str zone = zone_name(l->zone);

    buf_clear(scratch);
    put_learner_id(scratch, w, l->number);
    fprintf(f,
            "%s\n{\"learner\":\"" STR_FMT "\",\"zone\":\"" STR_FMT
            "\",\"chronotype\":\"%s\",\"usualHour\":%d,",
            l->number ? "," : "", STR_ARG(buf_view(scratch)), STR_ARG(zone), l->chronotype,
            l->usual_hour);
    print_milli(f, "ability", l->ability);
    fprintf(f, ",");
    print_milli(f, "learningRate", l->learning);
    fprintf(f, ",\"typicalLatencyMs\":%" PRId64 ",\"load\":%d,\"sessionMinutes\":%d,",
            exact_round(exact_exp(l->latency_milli / 1000.0)), l->load, l->session_minutes);
    fprintf(f, "\"studyChance\":[");
    for (int d = 0; d < 7; d++)
        fprintf(f, "%s%d.%03d", d ? "," : "", l->study_permille[d] / 1000,
                l->study_permille[d] % 1000);
    fprintf(f, "],\"memory\":{");
    print_milli(f, "stabilityFactor", l->stability_milli);
    fprintf(f, ",");
    print_milli(f, "growth", l->stability_growth);
    fprintf(f, "},\n ");
    print_effects(f, w, l);
    print_tally(f, w, t);
    fprintf(f, "}");
}

void sim_truth_end(FILE *f, int64_t events)
{
    fprintf(f, "],\n\"events\":%" PRId64 "}\n", events);
}

/* ---- catalogue ---- */

static void catalog_courses(FILE *f)
{
    for (int32_t c = 0; c < SIM_COURSES; c++)
        fprintf(f, "{\"type\":\"course\",\"course\":\"course-%d\",\"name\":\"%s\"}\n", c + 1,
                sim_course_names[c]);
    for (int32_t i = 0; i < SIM_COURSES * SIM_LECTURES; i++)
        fprintf(f,
                "{\"type\":\"lecture\",\"lecture\":\"lecture-%d\",\"course\":\"course-%d\","
                "\"title\":\"%s, lecture %d\"}\n",
                i + 1, i / SIM_LECTURES + 1, sim_course_names[i / SIM_LECTURES],
                i % SIM_LECTURES + 1);
}

void sim_catalog(FILE *f, const struct sim_world *w)
{
    catalog_courses(f);
    for (int32_t i = 0; i < SIM_ALL_OBJECTIVES; i++) {
        int32_t course = i / SIM_COURSE_OBJECTIVES, place = i % SIM_COURSE_OBJECTIVES + 1;

        fprintf(f,
                "{\"type\":\"objective\",\"objective\":\"objective-%d-%d\",\"course\":\"course-%"
                "d\",\"lecture\":\"lecture-%d\",\"name\":\"%s, objective %d\"}\n",
                course + 1, place, course + 1, lecture_of(i) + 1, sim_course_names[course], place);
        fprintf(
            f, "{\"type\":\"skill\",\"skill\":\"objective-%d-%d\",\"name\":\"%s, objective %d\"}\n",
            course + 1, place, sim_course_names[course], place);
        for (int32_t k = 0; k < w->objectives[i].prerequisite_count; k++) {
            fprintf(f, "{\"type\":\"prerequisite\",\"objective\":");
            print_objective(f, i);
            fprintf(f, ",\"prerequisite\":");
            print_objective(f, w->objectives[i].prerequisites[k]);
            fprintf(f, ",\"strength\":%d.%02d}\n", w->objectives[i].strength_centi[k] / 100,
                    w->objectives[i].strength_centi[k] % 100);
        }
    }
    for (int32_t i = 0; i < SIM_ALL_ITEMS + SIM_ALL_CARDS; i++) {
        bool card = i >= SIM_ALL_ITEMS;
        int32_t n = card ? i - SIM_ALL_ITEMS : i, o = n / (card ? SIM_CARDS : SIM_ITEMS);

        fprintf(f,
                "{\"type\":\"item\",\"item\":\"%s-%d\",\"course\":\"course-%d\",\"lecture\":"
                "\"lecture-%d\",\"objective\":",
                card ? "card" : "q", n + 1, o / SIM_COURSE_OBJECTIVES + 1, lecture_of(o) + 1);
        print_objective(f, o);
        fprintf(f, "}\n");
        for (int32_t k = 0; k < 2 && !card; k++) {
            int32_t skill = k ? w->second_skill[n] : o;

            if (skill < 0)
                continue;
            fprintf(f, "{\"type\":\"itemSkill\",\"item\":\"q-%d\",\"skill\":", n + 1);
            print_objective(f, skill);
            fprintf(f, "}\n");
        }
    }
}

void sim_catalog_learner(FILE *f, const struct sim_world *w, const struct sim_learner *l,
                         struct buf *scratch)
{
    struct str zone = zone_name(l->zone);

    buf_clear(scratch);
    put_learner_id(scratch, w, l->number);
    fprintf(f, "{\"type\":\"learner\",\"learner\":\"" STR_FMT "\",\"zone\":\"" STR_FMT "\"}\n",
            STR_ARG(buf_view(scratch)), STR_ARG(zone));
}
