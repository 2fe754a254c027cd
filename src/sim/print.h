/* print - events, catalogue and truth as text. Numbers are printed from integers only. */
#pragma once
#include "base/buf.h"
#include "sim/world.h"

#include <stdio.h>

struct sim_out {
    FILE *file;
    struct buf text; /* waiting to be written */
    int64_t events;
    const struct sim_world *w;
    const struct sim_learner *l;
    int64_t number;  /* of the learner's next event */
    int32_t utc_day; /* whose date stands in `date` */
    char date[16];
};

void sim_out_init(struct sim_out *o, FILE *file, const struct sim_world *w);
void sim_out_fini(struct sim_out *o);
MUST_CHECK enum err sim_out_flush(struct sim_out *o);

/* One event: open, members, close. `at` in us, a whole number of ms. */
void sim_event(struct sim_out *o, const char *kind, int64_t at);
void sim_put_text(struct sim_out *o, const char *name, const char *prefix, int64_t number);
void sim_put_word(struct sim_out *o, const char *name, const char *word);
void sim_put_int(struct sim_out *o, const char *name, int64_t v);
void sim_put_centi(struct sim_out *o, const char *name, int64_t v); /* hundredths */
void sim_put_true(struct sim_out *o, const char *name, bool v);
void sim_put_open(struct sim_out *o, const char *name, char bracket);
void sim_put_close(struct sim_out *o, char bracket);
void sim_put_element(struct sim_out *o, char bracket); /* of an array: an object opens */
void sim_put_objective(struct sim_out *o, const char *name, int32_t objective);
void sim_put_course(struct sim_out *o, int32_t course);
void sim_event_end(struct sim_out *o);

struct sim_tally;
void sim_truth_begin(FILE *f, const struct sim_world *w);
void sim_truth_learner(FILE *f, const struct sim_world *w, const struct sim_learner *l,
                       const struct sim_tally *t, struct buf *scratch);
void sim_truth_end(FILE *f, int64_t events);
void sim_catalog(FILE *f, const struct sim_world *w);
void sim_catalog_learner(FILE *f, const struct sim_world *w, const struct sim_learner *l,
                         struct buf *scratch);
