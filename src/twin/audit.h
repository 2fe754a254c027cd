/* audit - how good the server's own forecasts were, from sums that take outcomes in any order.
 *
 * A forecast falls into one of AUDIT_BINS bins of equal width in its log odds, and adds to that
 * bin's whole numbers; a forecast that is made anew (a review came late) is taken out and put in
 * again. All figures come from the bins: the proper scores exactly (to a millionth a forecast), the
 * area under the ROC curve with ties half inside of a bin (Mann & Whitney 1947), calibration and
 * the parts of the Brier score (Murphy 1973) over bins merged until each holds its share.
 *
 * The baseline says the same for all: the share of yes, known only in hindsight. A forecast that
 * does not beat it has told nothing. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
    AUDIT_BINS = 48,        /* a quarter of a log odd each, from -6 to 6 */
    AUDIT_RELIABILITY = 10, /* merged bins of a reliability diagram, at most */
    AUDIT_MIN = 30,         /* outcomes; with fewer no figure is given */
};

enum audit_model {
    AUDIT_RECALL = 1,   /* FSRS's curve by the published weights, for reviews a day or more after
                           the one before: the baseline of AUDIT_SERVED */
    AUDIT_ANSWER = 2,   /* the struggle model, for every answer and review as it was met */
    AUDIT_STRUGGLE = 3, /* the outlook of an objective (outlook.h), judged when its days are over */
    AUDIT_SERVED = 4,   /* the chance of recall that is served (retention.h), for the same reviews */
};

/* Zeroed: empty. Millionths; the order of the members is that of the database's columns. */
struct audit_bin {
    int64_t n, yes;
    int64_t p_micro;      /* sum of the forecasts */
    int64_t square_micro; /* of their squares */
    int64_t brier_micro;  /* of (p - outcome)^2 */
    int64_t loss_micro;   /* of the log loss, p kept within 0.0005 of the ends */
};

/* The bin of a forecast (0..1), and what one outcome adds to it. */
int32_t audit_bin_of(double p);
struct audit_bin audit_outcome(double p, bool yes);
/* sign -1 takes out again. */
void audit_add(struct audit_bin *into, const struct audit_bin *one, int sign);

struct audit_reliability {
    int64_t n;
    double forecast, observed; /* means */
    double low, high;          /* of observed, 95 % (Wilson 1927) */
};

struct audit_report {
    int64_t n, yes;
    bool enough; /* n >= AUDIT_MIN; the rest is only filled then */
    double share;
    double brier, log_loss;
    double auc, auc_low, auc_high; /* 95 % (Hanley & McNeil 1982); NaN unless both outcomes occur */
    double baseline_brier, baseline_log_loss; /* of the share of yes for all; its AUC is 0.5 */
    double brier_skill;                       /* 1 - brier / baseline's; NaN when that is 0 */
    /* brier = reliability - resolution + uncertainty, but for what differs inside of a bin */
    double reliability, resolution, uncertainty;
    double calibration_error; /* mean |forecast - observed| over the merged bins, by their mass */
    double bias;              /* mean forecast - share of yes */
    double bias_p;            /* how often a calibrated forecaster would be as far off, two-sided */
    int32_t bins;
    struct audit_reliability bin[AUDIT_RELIABILITY]; /* by rising forecast */
    double accuracy, precision, recall, f1; /* "yes" when the forecast is 0.5 or more; NaN where the
                                               denominator is 0 */
    int64_t true_yes, false_yes, true_no, false_no;
};

/* bins: AUDIT_BINS of them. Negative or impossible sums are the caller's bug. */
void audit_report_of(const struct audit_bin *bins, struct audit_report *ret);
