/* bench_models - how many forecasts and updates a second the learner models make, on one core.
 *
 *     bench_models [ANSWERS]
 *
 * Struggle: invented answers of one learner to 20,000 items of 200 skills, with the features of a
 * long history; "predict" reads the features and forecasts, "update" learns from the outcome and
 * moves the three counts. Recall: reviews of 20,000 cards. Strain: views and updates of one
 * learner. Warning: reading twelve pieces of work and forecasting. Bandit: drawing one of four
 * arms. Times are of this thread's CPU; the best of five rounds counts, as what disturbs a round
 * only makes it slower. Fit: FSRS's weights to 10,000 invented reviews, in seconds. Prints "model
 * what per_second", tab-separated, and the memory that the state takes. */
#include "base/assert.h"
#include "base/rng.h"
#include "base/str.h"
#include "twin/bandit.h"
#include "twin/memory_fit.h"
#include "twin/retention.h"
#include "twin/strain.h"
#include "twin/struggle.h"
#include "twin/warning.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    ITEMS = 20000,
    SKILLS = 200,
    CARDS = 20000,
    ROUNDS = 5,
    BATCH = 64,
    FIT_REVIEWS = 10000,
    ANSWERS_DEFAULT = 200000
};

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct best {
    double predict, update; /* seconds for each */
};

static void keep_best(struct best *b, double predict, double update, int n)
{
    b->predict = fmin(b->predict, predict / n);
    b->update = fmin(b->update, update / n);
}

static void print(const char *model, const struct best *b)
{
    printf("%s\tpredict\t%.0f\n%s\tupdate\t%.0f\n", model, 1 / b->predict, model, 1 / b->update);
}

struct learner {
    struct struggle_count all, *items, *skills;
    struct struggle_question q;
};

/* Batches, so that reading the clock costs nothing to speak of. */
static void struggle_round(struct struggle_model *m, struct learner *l, struct rng *rng,
                           int answers, struct best *b)
{
    static struct struggle_features f[BATCH];
    static struct struggle_prediction p[BATCH];
    uint32_t item[BATCH];
    double predict = 0, update = 0;
    int done = 0;

    for (; done < answers; done += BATCH) {
        double t0 = seconds();
        for (int i = 0; i < BATCH; i++) {
            item[i] = (uint32_t)rng_below(rng, ITEMS);
            l->q.item = item[i] + 1;
            l->q.skills[0] = item[i] % SKILLS + 1;
            l->q.on_item = &l->items[item[i]];
            l->q.on_skill[0] = &l->skills[item[i] % SKILLS];
            l->q.now_s += 60;
            struggle_read(m, &l->q, &f[i]);
            struggle_predict(m, &f[i], &p[i]);
        }
        double t1 = seconds();
        for (int i = 0; i < BATCH; i++) {
            bool right = (item[i] * 2654435761u >> 16 & 3) != 0;
            double latency_s = 2 + item[i] % 7;

            struggle_learn(m, &f[i], &p[i], right);
            struggle_count_add(&l->all, right, latency_s, l->q.now_s, l->q.index);
            struggle_count_add(&l->items[item[i]], right, latency_s, l->q.now_s, l->q.index);
            struggle_count_add(&l->skills[item[i] % SKILLS], right, latency_s, l->q.now_s,
                               l->q.index);
            l->q.item = item[i] + 1;
            l->q.skills[0] = item[i] % SKILLS + 1;
            struggle_question_after(&l->q, right);
        }
        double t2 = seconds();
        predict += t1 - t0;
        update += t2 - t1;
    }
    keep_best(b, predict, update, done);
}

static int bench_struggle(int answers)
{
    struct best best = {HUGE_VAL, HUGE_VAL};
    struct struggle_model *m = NULL;
    struct learner l = {.items = calloc(ITEMS, sizeof *l.items),
                        .skills = calloc(SKILLS, sizeof *l.skills)};
    struct rng rng;
    bool ok = l.items && l.skills &&
              struggle_model_new(STRUGGLE_BITS_DEFAULT, STRUGGLE_FULL, &m) == ERR_OK;

    rng_seed(&rng, 1);
    l.q = (struct struggle_question){.skill_count = 1, .all = &l.all, .now_s = 1700000000};
    for (int round = 0; ok && round < ROUNDS; round++)
        struggle_round(m, &l, &rng, answers, &best);
    if (ok) {
        print("struggle", &best);
        printf("struggle\tbytes of a count\t%zu\n", sizeof(struct struggle_count));
    }
    struggle_model_free(m);
    free(l.items);
    free(l.skills);
    return ok ? 0 : -1;
}

static int bench_recall(int reviews)
{
    struct best best = {HUGE_VAL, HUGE_VAL};
    struct recall_card *cards = calloc(CARDS, sizeof *cards), *card[BATCH];
    static struct recall_inputs in[BATCH];
    static struct recall_forecast f[BATCH];
    struct recall_level level;
    struct recall_weights w;
    struct rng rng;
    double sum = 0;

    if (!cards)
        return -1;
    rng_seed(&rng, 2);
    recall_level_init(&level);
    recall_weights_init(&w, NULL);
    for (int i = 0; i < CARDS; i++)
        recall_review(&memory_default, &cards[i], &level, GRADE_GOOD, 20000,
                      20000 * INT64_C(86400));
    for (int round = 0; round < ROUNDS; round++) {
        double predict = 0, update = 0;
        int32_t day = 20003 + 3 * round;

        int done = 0;

        for (; done < reviews; done += BATCH) {
            int64_t now_s = day * INT64_C(86400) + done;
            double t0 = seconds();
            for (int i = 0; i < BATCH; i++) {
                card[i] = &cards[rng_below(&rng, CARDS)];
                recall_read(&memory_default, card[i], &level, day, now_s + i, &in[i]);
                recall_predict(&w, &in[i], &f[i]);
            }
            double t1 = seconds();
            for (int i = 0; i < BATCH; i++) {
                bool right = i % 5 != 0;

                recall_learn(&w, &in[i], &f[i], right);
                recall_review(&memory_default, card[i], &level, right ? GRADE_GOOD : GRADE_AGAIN,
                              day, now_s + i);
                sum += f[i].probability;
            }
            double t2 = seconds();
            predict += t1 - t0;
            update += t2 - t1;
        }
        keep_best(&best, predict, update, done);
    }
    print("recall", &best);
    printf("recall\tbytes of a card\t%zu\nrecall\tbytes of a learner's weights\t%zu\n",
           sizeof(struct recall_card), sizeof w);
    free(cards);
    return isfinite(sum) ? 0 : -1; /* so that the forecasts are not optimised away */
}

/* As it is served, out of stored cards, 1 to 64 days after their last review; and learnt at night.
 */
static int bench_retention(int reviews)
{
    struct best best = {HUGE_VAL, HUGE_VAL};
    struct retention_card *cards = calloc(CARDS, sizeof *cards);
    uint8_t(*stored)[RETENTION_CARD_BYTES] = calloc(CARDS, sizeof *stored);
    struct retention_before before;
    struct retention learner;
    double sum = 0;

    if (!cards || !stored)
        return -1;
    retention_init(&learner, NULL, NULL);
    for (int i = 0; i < CARDS; i++)
        retention_review(&learner, &cards[i], GRADE_GOOD, 20000, 20000 * INT64_C(86400), &before);
    for (int round = 0; round < ROUNDS; round++) {
        double t0 = seconds();

        for (int i = 0; i < reviews; i++) { /* each judged */
            int32_t day = 20001 + 3 * (round * (reviews / CARDS + 1) + i / CARDS);

            retention_review(&learner, &cards[i % CARDS], i % 5 ? GRADE_GOOD : GRADE_AGAIN, day,
                             day * INT64_C(86400) + i, &before);
        }
        double t1 = seconds();
        for (int i = 0; i < CARDS; i++)
            retention_card_encode(&cards[i], stored[i]);
        double t2 = seconds();
        for (int i = 0; i < reviews; i++) {
            struct retention_card card;

            if (retention_card_decode(&card, stored[i % CARDS], sizeof *stored) != ERR_OK)
                return -1;
            sum += retention_recall(&learner, &card, card.memory.day + (1 << i % 7), 0, NULL);
        }
        keep_best(&best, seconds() - t2, t1 - t0, reviews);
    }
    print("retention", &best);
    printf("retention\tbytes of a card\t%d\nretention\tbytes of a learner\t%d\n",
           RETENTION_CARD_BYTES, RETENTION_BYTES);
    free(cards);
    free(stored);
    return isfinite(sum) ? 0 : -1; /* so that the forecasts are not optimised away */
}

/* A learner whose first stabilities are half the published ones; ten reviews a card. */
static int bench_fit(void)
{
    struct memory_step *steps = calloc(FIT_REVIEWS, sizeof *steps);
    struct memory_weights truth = memory_default;
    struct memory_state s = {0, 0};
    struct memory_fit fit = {.steps = 0};
    double best = HUGE_VAL;
    bool ok = steps != NULL;
    struct rng rng;

    rng_seed(&rng, 3);
    for (int i = 0; i < 4; i++)
        truth.w[i] /= 2;
    for (int i = 0; ok && i < FIT_REVIEWS; i++) {
        int32_t days = -1;
        enum memory_grade grade = (enum memory_grade)(1 + rng_below(&rng, 4));

        if (i % 10) {
            days = (int32_t)fmin(fmax(s.stability * 2 * rng_unit(&rng), 0), 1000);
            grade = rng_unit(&rng) < memory_recall(&truth, s.stability, days) ? GRADE_GOOD
                                                                              : GRADE_AGAIN;
        } else {
            s = (struct memory_state){0, 0};
        }
        steps[i] = (struct memory_step){days, (uint8_t)grade};
        s = memory_review(&truth, s, grade, fmax(days, 0));
    }
    for (int round = 0; ok && round < ROUNDS; round++) {
        double t0 = seconds();

        ok = memory_fit(steps, FIT_REVIEWS, &memory_prior_default, &fit) == ERR_OK;
        best = fmin(best, seconds() - t0);
    }
    free(steps);
    if (ok)
        printf("fit\tseconds for %d reviews\t%.3f\nfit\tpasses\t%d\n", FIT_REVIEWS, best,
               (int)fit.steps);
    return ok ? 0 : -1;
}

static int bench_strain(int answers)
{
    struct best best = {HUGE_VAL, HUGE_VAL};
    struct strain s;
    struct strain_view v;
    struct rng rng;
    double sum = 0;

    strain_init(&s);
    rng_seed(&rng, 3);
    for (int round = 0; round < ROUNDS; round++) {
        double t0 = seconds();
        for (int i = 0; i < answers; i++) {
            strain_view(&s, s.n * US_PER_MINUTE, &v);
            sum += v.load;
        }
        double t1 = seconds();
        for (int i = 0; i < answers; i++) {
            const struct strain_answer a = {s.n * US_PER_MINUTE, 2 + i % 7, i % 4 != 0, 0.75,
                                            STRAIN_QUESTION};

            strain_update(&s, &a, NULL);
        }
        keep_best(&best, t1 - t0, seconds() - t1, answers);
    }
    print("strain", &best);
    printf("strain\tbytes of a learner\t%zu\n", sizeof s);
    return isfinite(sum) ? 0 : -1;
}

static int bench_warning(int forecasts)
{
    struct warning_task tasks[12];
    const struct warning_learner l = {tasks, (int32_t)COUNT(tasks),    -60,   0,
                                      1,     WARNING_EDUCATION_DEGREE, {0, 0}};
    double x[WARNING_INPUTS], best = HUGE_VAL, sum = 0;
    struct warning_forecast f;

    for (size_t i = 0; i < COUNT(tasks); i++)
        tasks[i] = (struct warning_task){.due_day = (int32_t)(20 * i),
                                         .handed_day = (int32_t)(20 * i + i % 5),
                                         .weight = 8,
                                         .score_place = 0.5,
                                         .day_place = 0.5,
                                         .score = 60 + 3.0 * (double)i,
                                         .standing = 0.1 * (double)i - 0.5,
                                         .share = 0.8};
    for (int round = 0; round < ROUNDS; round++) {
        double t0 = seconds();
        for (int i = 0; i < forecasts; i++) {
            int32_t day = 14 + i % 200;

            if (warning_read(&l, day, x) != ERR_OK ||
                warning_forecast(&warning_default, NULL, x, day, &f) != ERR_OK)
                return -1;
            sum += f.risk;
        }
        best = fmin(best, (seconds() - t0) / forecasts);
    }
    printf("warning\tpredict\t%.0f\n", 1 / best);
    return isfinite(sum) ? 0 : -1;
}

static int bench_bandit(void)
{
    enum { DECISIONS = 200 };
    struct bandit b;
    struct rng rng;
    double best = HUGE_VAL;

    if (bandit_init(&b, 4, 0.02, 0.999) != ERR_OK)
        return -1;
    rng_seed(&rng, 4);
    for (int round = 0; round < ROUNDS; round++) {
        double t0 = seconds();
        for (int i = 0; i < DECISIONS; i++) {
            const struct bandit_decision d = bandit_choose(&b, &rng);

            if (bandit_reward(&b, &d, rng_unit(&rng)) != ERR_OK)
                return -1;
        }
        best = fmin(best, (seconds() - t0) / DECISIONS);
    }
    printf("bandit\tdecide and learn\t%.0f\nbandit\tbytes\t%zu\n", 1 / best, sizeof b);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t answers = ANSWERS_DEFAULT;

    if (argc > 1 && (str_to_i64(str_from(argv[1]), &answers) != ERR_OK || answers < BATCH ||
                     answers > 100000000)) {
        fprintf(stderr, "usage: bench_models [ANSWERS]\n");
        return 2;
    }
    bool ok = bench_struggle((int)answers) == 0 && bench_recall((int)answers) == 0 &&
              bench_retention((int)answers) == 0 && bench_fit() == 0 &&
              bench_strain((int)answers) == 0 && bench_warning((int)answers) == 0 &&
              bench_bandit() == 0;
    return ok ? 0 : 1;
}
