#include "sim/life.h"

#include "base/assert.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

enum {
    BLOCKS_MAX = 60,
    DUE_MAX = 12,  /* reviews in a row */
    DAWN_HOUR = 5, /* missions are made; nobody still studies */
    EXAM_HOUR = 10,
    EXAM_MINUTES = 90,
    LATENCY_SD = 350,  /* of ln latency, times 1000 */
    LOAD_NOISE = 6000, /* sd of a load sample, times 1000 */
    HELD_BACK =
        2000, /* milli-logits: what a prerequisite not practised costs at most, times strength */
    STRESS_DAYS = 3, /* before an exam */
};

struct life {
    const struct sim_world *w;
    const struct sim_learner *l;
    struct rng *rng;
    struct sim_out *out;
    struct sim_tally *t;
    int64_t now;              /* us: where the learner's time stands; every event is later */
    int32_t day;              /* of the simulation */
    int64_t session, mission; /* numbers of the running ones */
    bool in_mission;
    int64_t begun; /* the session's start */
    int32_t hour;  /* local, of the session's start */
    int32_t plan[3], plan_count;
    int32_t right, asked;          /* in the session */
    int32_t frontier[SIM_COURSES]; /* how many objectives of a course are open */
};

static int32_t between(struct life *x, int32_t low, int32_t high)
{
    return low + (int32_t)rng_below(x->rng, (uint64_t)(high - low + 1));
}

static bool chance(struct life *x, int32_t permille)
{
    return between(x, 0, 999) < permille;
}

static int32_t clamp(int32_t v, int32_t low, int32_t high)
{
    return v < low ? low : v > high ? high : v;
}

static void pass_ms(struct life *x, int64_t ms)
{
    x->now += (ms > 0 ? ms : 1) * US_PER_MS;
}

static void pass_until(struct life *x, int64_t at)
{
    if (at > x->now)
        x->now = at;
    else
        pass_ms(x, 1);
}

static int32_t minute_of(const struct life *x)
{
    return (int32_t)((x->now - x->begun) / US_PER_MINUTE);
}

static void in_session(struct life *x)
{
    sim_put_text(x->out, "session", "s-", x->session);
}

static void in_objective(struct life *x, int32_t objective)
{
    sim_put_course(x->out, objective / SIM_COURSE_OBJECTIVES);
    sim_put_objective(x->out, "objective", objective);
}

/* What the moment adds to any performance, in milli-logits. */
static int32_t state_of_mind(const struct life *x)
{
    int32_t burnout = sim_burnout(x->w, x->l, x->day);

    return sim_hour_effect(x->l, x->hour) + sim_fatigue(x->l, minute_of(x)) -
           (sim_overloaded(x->l, x->day) ? 600 : 0) - burnout * 9 / 10;
}

static bool exam_near(const struct life *x)
{
    for (int32_t i = 0; i < x->w->exam_count; i++)
        if (x->day < x->w->exams[i].day && x->w->exams[i].day <= x->day + STRESS_DAYS)
            return true;
    return false;
}

static int32_t load_now(const struct life *x) /* 0..100, the truth without noise */
{
    int32_t load = x->l->load - sim_fatigue(x->l, minute_of(x)) / 50 + minute_of(x) / 10;

    load += sim_overloaded(x->l, x->day) ? 30 : 0;
    load += sim_burnout(x->w, x->l, x->day) * 15 / 1000;
    load += exam_near(x) ? 8 : 0;
    return clamp(load, 0, 100);
}

static int32_t mastery(const struct life *x, int32_t objective) /* milli-logits */
{
    const struct sim_objective *o = &x->w->objectives[objective];
    int32_t sum = x->l->ability + (int32_t)exact_round(x->l->learning *
                                                       exact_log(1.0 + x->t->practised[objective]));

    for (int32_t k = 0; k < o->prerequisite_count; k++) {
        int32_t n = x->t->practised[o->prerequisites[k]];

        sum -= HELD_BACK / 10 * o->strength_centi[k] / 100 * (n < 10 ? 10 - n : 0) / 2;
    }
    return sum;
}

static bool happens(struct life *x, double p)
{
    return rng_unit(x->rng) < p;
}

static int64_t latency_ms(struct life *x, int32_t base_milli)
{
    int32_t load = load_now(x) - 40; /* a load above 40 slows down, 0.8 % a point */
    double ln = (base_milli + load * 8) / 1000.0 + exact_normal(x->rng) * LATENCY_SD / 1000.0;
    int64_t ms = exact_round(exact_exp(ln));

    return ms < 300 ? 300 : ms > 600000 ? 600000 : ms;
}

/* ---- events of a session ---- */

static void answer(struct life *x, int32_t objective, int32_t modality)
{
    int32_t item = objective * SIM_ITEMS + between(x, 0, SIM_ITEMS - 1);
    int32_t second = x->w->second_skill[item];
    int32_t know = mastery(x, objective);

    if (second >= 0) /* both are needed: the weaker one decides */
        know = mastery(x, second) < know ? mastery(x, second) : know;
    int32_t logit = know - x->w->difficulty[item] + state_of_mind(x) +
                    (modality == x->l->modality ? x->l->modality_effect : 0);
    double p = 0.05 + 0.93 * exact_sigmoid(logit / 1000.0); /* a guess, a slip */
    bool correct = happens(x, p);
    int64_t latency = latency_ms(x, x->l->latency_milli), rest = between(x, 5000, 45000);

    pass_ms(x, latency + rest);
    sim_event(x->out, "answer", x->now);
    in_session(x);
    sim_put_text(x->out, "item", "q-", item + 1);
    sim_put_open(x->out, "skills", '[');
    sim_put_objective(x->out, NULL, objective);
    if (second >= 0)
        sim_put_objective(x->out, NULL, second);
    sim_put_close(x->out, ']');
    in_objective(x, objective);
    sim_put_true(x->out, "correct", correct);
    sim_put_int(x->out, "durationMs", latency + rest);
    sim_put_int(x->out, "latencyMs", latency);
    if (chance(x, 300))
        sim_put_centi(x->out, "confidence",
                      clamp((int32_t)exact_round(100 * p + 12 * exact_normal(x->rng)), 0, 100));
    sim_put_word(x->out, "modality", sim_modalities[modality]);
    sim_event_end(x->out);
    x->t->practised[objective]++;
    x->asked++, x->right += correct;
    x->t->answers++, x->t->correct += correct;
    x->t->answers_by_hour[x->hour]++, x->t->correct_by_hour[x->hour] += correct;
}

static void practice(struct life *x)
{
    int32_t objective = x->plan[between(x, 0, x->plan_count - 1)];
    int32_t modality = between(x, 0, SIM_MODALITIES - 1);

    for (int32_t n = between(x, 5, 12); n > 0; n--)
        answer(x, objective, modality);
}

/* R(t) = (1 + 19/81 t/S)^(-1/2): 0.9 after S days. */
static double recall(const struct sim_card *c, int64_t at)
{
    double days = (double)(at - c->last_at) / 86400e6;

    return 1 / exact_sqrt(1 + 19.0 / 81.0 * days / (c->stability_milli / 1000.0));
}

static int32_t first_review(struct life *x, struct sim_card *c, int32_t ease)
{
    static const int32_t first_milli[] = {400, 1000, 2500, 6000}; /* by rating */
    int32_t u = between(x, 0, 99), rating = u < 25 ? 1 : u < 40 ? 2 : u < 90 ? 3 : 4;
    double s = (double)first_milli[rating - 1] * x->l->stability_milli * ease / 1e6;

    c->stability_milli = clamp((int32_t)exact_round(s), 100, 365000);
    return rating;
}

static int32_t next_review(struct life *x, struct sim_card *c, int32_t ease)
{
    double r = recall(c, x->now), odds = exact_log(r / (1.000001 - r));
    /* The moment counts half: what is remembered depends on it less than what is worked out. */
    double p = exact_sigmoid(odds + state_of_mind(x) / 2000.0);
    double s = c->stability_milli;

    if (!happens(x, p)) {
        c->stability_milli = clamp((int32_t)exact_round(0.3 * s), 100, 365000);
        return 1;
    }
    s *= 1 + x->l->stability_growth / 1000.0 * ease / 1000.0 * (0.5 + 2 * (1 - r));
    c->stability_milli = s > 365000 ? 365000 : (int32_t)exact_round(s);
    int32_t u = between(x, 0, 99), hard = clamp((int32_t)(100 * (1 - r)), 5, 50);

    return u < hard ? 2 : u < 92 ? 3 : 4;
}

static void review(struct life *x, int32_t card)
{
    struct sim_card *c = &x->t->cards[card];
    int32_t objective = card / SIM_CARDS;
    int64_t latency = latency_ms(x, x->l->latency_milli - 900), rest = between(x, 500, 3000);

    pass_ms(x, latency + rest);
    bool fresh = c->reviews == 0;
    int32_t rating = fresh ? first_review(x, c, x->w->card_ease[card])
                           : next_review(x, c, x->w->card_ease[card]);

    c->last_at = x->now;
    c->reviews++;
    sim_event(x->out, "review", x->now);
    in_session(x);
    sim_put_text(x->out, "item", "card-", card + 1);
    in_objective(x, objective);
    sim_put_int(x->out, "rating", rating);
    sim_put_int(x->out, "durationMs", latency + rest);
    sim_put_int(x->out, "latencyMs", latency);
    sim_event_end(x->out);
    x->t->reviews++, x->t->recalled += rating > 1;
}

static void reviews(struct life *x)
{
    int32_t done = 0, fresh = between(x, 1, 4);
    int32_t first = between(x, 0, SIM_ALL_CARDS - 1);

    for (int32_t i = 0; i < SIM_ALL_CARDS && done < DUE_MAX; i++) {
        int32_t card = (first + i) % SIM_ALL_CARDS;
        const struct sim_card *c = &x->t->cards[card];

        if (c->reviews && x->now >= c->last_at + (int64_t)c->stability_milli * (US_PER_DAY / 1000))
            review(x, card), done++;
    }
    for (int32_t k = 0; k < x->plan_count; k++)
        for (int32_t i = 0; i < SIM_CARDS && fresh > 0; i++)
            if (!x->t->cards[x->plan[k] * SIM_CARDS + i].reviews)
                review(x, x->plan[k] * SIM_CARDS + i), fresh--;
}

static void reading(struct life *x)
{
    int32_t objective = x->plan[between(x, 0, x->plan_count - 1)];
    int64_t ms = between(x, 180, 540) * 1000;

    pass_ms(x, ms);
    sim_event(x->out, "reading", x->now);
    in_session(x);
    in_objective(x, objective);
    sim_put_int(x->out, "durationMs", ms);
    sim_put_word(x->out, "modality", sim_modalities[between(x, 0, SIM_MODALITIES - 1)]);
    sim_event_end(x->out);
}

static void search(struct life *x)
{
    int32_t objective = x->plan[between(x, 0, x->plan_count - 1)];

    pass_ms(x, between(x, 3000, 20000));
    sim_event(x->out, "search", x->now);
    in_session(x);
    sim_put_open(x->out, "data", '{');
    sim_put_objective(x->out, "query", objective);
    sim_put_int(x->out, "results", between(x, 0, 25));
    sim_put_close(x->out, '}');
    sim_event_end(x->out);
    if (!chance(x, 500))
        return;
    pass_ms(x, between(x, 2000, 15000));
    sim_event(x->out, "search_click", x->now);
    in_session(x);
    sim_put_open(x->out, "data", '{');
    sim_put_int(x->out, "position", between(x, 1, 8));
    sim_put_close(x->out, '}');
    sim_event_end(x->out);
}

static void load_sample(struct life *x)
{
    int32_t noise = (int32_t)exact_round(exact_normal(x->rng) * LOAD_NOISE / 1000.0);

    pass_ms(x, 1);
    sim_event(x->out, "load", x->now);
    in_session(x);
    sim_put_open(x->out, "data", '{');
    sim_put_int(x->out, "loadScore", clamp(load_now(x) + noise, 0, 100));
    sim_put_close(x->out, '}');
    sim_event_end(x->out);
}

static void rest(struct life *x)
{
    pass_ms(x, 1000);
    sim_event(x->out, "session_paused", x->now);
    in_session(x);
    sim_event_end(x->out);
    int64_t ms = between(x, 180, 600) * 1000;

    pass_ms(x, ms);
    x->begun += ms * US_PER_MS; /* a break does not tire */
    sim_event(x->out, "session_resumed", x->now);
    in_session(x);
    sim_event_end(x->out);
}

/* ---- sessions ---- */

static void put_plan(struct life *x, int32_t minutes)
{
    sim_put_open(x->out, "objectives", '[');
    for (int32_t k = 0; k < x->plan_count; k++) {
        sim_put_element(x->out, '{');
        sim_put_objective(x->out, "objective", x->plan[k]);
        sim_put_int(x->out, "estimatedMinutes", minutes / x->plan_count);
        sim_put_close(x->out, '}');
    }
    sim_put_close(x->out, ']');
}

/* Two or three of what is open: mostly the newest, sometimes an older one again. */
static void make_plan(struct life *x)
{
    int32_t course = between(x, 0, SIM_COURSES - 1), open = x->frontier[course];

    x->plan_count = 0;
    for (int32_t n = between(x, 2, 3); n > 0; n--) {
        int32_t place =
            chance(x, 650) ? clamp(open - between(x, 1, 3), 0, open - 1) : between(x, 0, open - 1);
        int32_t objective = course * SIM_COURSE_OBJECTIVES + place;
        bool there = false;

        for (int32_t k = 0; k < x->plan_count; k++)
            there |= x->plan[k] == objective;
        if (!there)
            x->plan[x->plan_count++] = objective;
    }
    int32_t newest = course * SIM_COURSE_OBJECTIVES + open - 1;

    if (x->t->practised[newest] >= 12 && open < SIM_COURSE_OBJECTIVES)
        x->frontier[course]++;
}

static void complete_objectives(struct life *x, int32_t minutes)
{
    int32_t share = x->asked ? x->right * 100 / x->asked : 60;
    int32_t tired = sim_burnout(x->w, x->l, x->day) / 700 + sim_overloaded(x->l, x->day);

    for (int32_t k = 0; k < x->plan_count; k++) {
        if (!chance(x, 800))
            continue;
        pass_ms(x, between(x, 1000, 5000));
        sim_event(x->out, "objective_completed", x->now);
        in_session(x);
        if (x->in_mission)
            sim_put_text(x->out, "mission", "m-", x->mission);
        in_objective(x, x->plan[k]);
        sim_put_open(x->out, "data", '{');
        sim_put_int(x->out, "selfAssessment", clamp(share / 20 + between(x, 0, 1) - tired, 1, 5));
        sim_put_int(x->out, "confidenceRating", clamp(share / 20 + between(x, -1, 1), 1, 5));
        sim_put_int(x->out, "timeSpentMs", (int64_t)minutes * 60000 / x->plan_count);
        sim_put_close(x->out, '}');
        sim_event_end(x->out);
    }
}

static void end_mission(struct life *x, int32_t minutes)
{
    pass_ms(x, 1000);
    sim_event(x->out, "mission_completed", x->now);
    sim_put_text(x->out, "mission", "m-", x->mission);
    sim_put_open(x->out, "data", '{');
    sim_put_int(x->out, "actualMinutes", minutes);
    sim_put_int(x->out, "difficultyRating", clamp(1 + load_now(x) / 20 + between(x, -1, 1), 1, 5));
    sim_put_close(x->out, '}');
    sim_event_end(x->out);
    x->in_mission = false;
}

static void begin_session(struct life *x, int64_t at, int32_t hour, int32_t minutes)
{
    pass_until(x, at);
    x->begun = x->now;
    x->hour = hour;
    x->session++;
    x->right = x->asked = 0;
    sim_event(x->out, "session_started", x->now);
    in_session(x);
    if (x->in_mission)
        sim_put_text(x->out, "mission", "m-", x->mission);
    sim_put_open(x->out, "data", '{');
    put_plan(x, minutes);
    sim_put_close(x->out, '}');
    sim_event_end(x->out);
    if (!x->in_mission)
        return;
    pass_ms(x, 500);
    sim_event(x->out, "mission_started", x->now);
    sim_put_text(x->out, "mission", "m-", x->mission);
    sim_event_end(x->out);
}

static void end_session(struct life *x, int32_t minutes)
{
    int64_t ms = (x->now - x->begun) / US_PER_MS;

    x->t->study_ms += ms;
    if (!chance(x, x->l->completes_permille))
        return; /* the window was closed; nothing tells the end */
    complete_objectives(x, minutes);
    pass_ms(x, 1000);
    sim_event(x->out, "session_completed", x->now);
    in_session(x);
    sim_put_int(x->out, "durationMs", (x->now - x->begun) / US_PER_MS);
    sim_event_end(x->out);
    x->t->completed++;
    if (x->in_mission)
        end_mission(x, minutes);
}

static void session(struct life *x, int64_t at, int32_t hour)
{
    int32_t minutes = x->l->session_minutes * between(x, 70, 130) / 100;
    bool paused = false;

    if (sim_overloaded(x->l, x->day))
        minutes = minutes * 13 / 10;
    if (!x->in_mission)
        make_plan(x);
    begin_session(x, at, hour, minutes);
    for (int32_t i = 0; i < BLOCKS_MAX && minute_of(x) < minutes; i++) {
        int32_t what = between(x, 0, 99);

        if (what < 50)
            practice(x);
        else if (what < 75)
            reviews(x);
        else if (what < 90)
            reading(x);
        else
            search(x);
        if (i % 4 == 3)
            load_sample(x);
        if (!paused && chance(x, 30))
            rest(x), paused = true;
    }
    load_sample(x);
    end_session(x, minute_of(x));
    x->t->sessions++;
    x->t->studied[x->day / 8] |= (uint8_t)(1 << x->day % 8);
}

/* ---- days ---- */

static int64_t local(const struct life *x, int32_t second)
{
    return civil_to_us(x->l->zone, x->w->o.start_day + x->day, second);
}

static void new_mission(struct life *x)
{
    char date[DATE_TEXT_MAX];

    make_plan(x);
    pass_until(x, local(x, DAWN_HOUR * 3600));
    x->mission++;
    x->in_mission = true;
    date_print(x->w->o.start_day + x->day, date);
    sim_event(x->out, "mission_created", x->now);
    sim_put_text(x->out, "mission", "m-", x->mission);
    sim_put_open(x->out, "data", '{');
    sim_put_word(x->out, "date", date);
    sim_put_int(x->out, "estimatedMinutes", x->l->session_minutes);
    put_plan(x, x->l->session_minutes);
    sim_put_close(x->out, '}');
    sim_event_end(x->out);
}

static void skip_mission(struct life *x)
{
    pass_until(x, local(x, 23 * 3600 + 1800));
    sim_event(x->out, "mission_skipped", x->now);
    sim_put_text(x->out, "mission", "m-", x->mission);
    sim_event_end(x->out);
    x->in_mission = false;
}

static void exam(struct life *x, int32_t number)
{
    const struct sim_exam *e = &x->w->exams[number];
    int32_t first = e->course * SIM_COURSE_OBJECTIVES;
    double sum = 0;

    for (int32_t k = 0; k < SIM_COURSE_OBJECTIVES; k++)
        sum += 0.05 + 0.93 * exact_sigmoid(mastery(x, first + k) / 1000.0);
    int32_t score =
        (int32_t)exact_round(100 * sum / SIM_COURSE_OBJECTIVES + 5 * exact_normal(x->rng));

    pass_until(x, local(x, EXAM_HOUR * 3600 + EXAM_MINUTES * 60));
    score = clamp(score, 0, 100);
    x->t->exam_score_centi[number] = score;
    sim_event(x->out, "assessment", x->now);
    sim_put_text(x->out, "item", e->final ? "exam-final-" : "exam-midterm-", e->course + 1);
    sim_put_course(x->out, e->course);
    sim_put_centi(x->out, "score", score);
    sim_put_int(x->out, "durationMs", EXAM_MINUTES * 60000);
    sim_event_end(x->out);
}

/* The usual hour with a spread, sometimes any hour of the day: else best and usual hours could not
 * be told apart. */
static int32_t hour_of_session(struct life *x, int32_t earliest)
{
    int32_t hour = chance(x, 600) ? x->l->usual_hour + between(x, -1, 1) : between(x, 6, 22);

    return clamp(hour, earliest > 6 ? earliest : 6, 22);
}

static void live_day(struct life *x)
{
    int32_t weekday = ((x->w->o.start_day + x->day + 4) % 7 + 7) % 7; /* 1970-01-01: Thursday */
    int32_t will =
        x->l->study_permille[weekday] * (1000 - sim_burnout(x->w, x->l, x->day) * 6 / 10) / 1000;
    int32_t sessions = 0, earliest = 6;

    if (chance(x, 850))
        new_mission(x);
    for (int32_t i = 0; i < x->w->exam_count; i++)
        if (x->w->exams[i].day == x->day) {
            exam(x, i);
            earliest = EXAM_HOUR + 3;
        }
    if (exam_near(x) || sim_overloaded(x->l, x->day))
        will = will * 12 / 10;
    if (chance(x, will))
        sessions = 1 + chance(x, 250) + (sim_overloaded(x->l, x->day) && chance(x, 600));
    for (int32_t i = 0; i < sessions && earliest <= 22; i++) {
        int32_t hour = hour_of_session(x, earliest);

        session(x, local(x, hour * 3600 + between(x, 0, 3599)), hour);
        earliest = hour + 3;
    }
    if (x->in_mission)
        skip_mission(x);
}

enum err sim_live(const struct sim_world *w, const struct sim_learner *l, struct rng *rng,
                  struct sim_out *out, struct sim_tally *ret)
{
    struct life x = {.w = w, .l = l, .rng = rng, .out = out, .t = ret};
    int64_t before = out->events;
    enum err e = ERR_OK;

    *ret = (struct sim_tally){0};
    for (int32_t i = 0; i < SIM_EXAMS_MAX; i++)
        ret->exam_score_centi[i] = -1;
    for (int32_t c = 0; c < SIM_COURSES; c++)
        x.frontier[c] = 3;
    out->l = l;
    out->number = 0;
    x.now = civil_to_us(l->zone, w->o.start_day, 0);
    for (x.day = 0; x.day < w->o.days && e == ERR_OK; x.day++) {
        live_day(&x);
        e = out->text.n > 48 << 10 ? sim_out_flush(out) : ERR_OK;
    }
    ret->events = out->events - before;
    return e;
}
