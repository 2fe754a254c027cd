/* audit - how good this server's own forecasts were, over all learners. */
#include "cli/command.h"
#include "eval/score.h"
#include "ingest/audits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void print(const struct audit_report *r, const char *model, const char *metric, double value,
                  double low, double high)
{
    score_print(stdout, "own", "all", model, metric, (struct score){value, low, high}, r->n);
}

static void print_all(const struct audit_report *r, const char *model)
{
    const double none = (double)NAN;

    print(r, model, "auc", r->auc, r->auc_low, r->auc_high);
    print(r, model, "logLoss", r->log_loss, none, none);
    print(r, model, "brier", r->brier, none, none);
    print(r, model, "reliability", r->reliability, none, none);
    print(r, model, "resolution", r->resolution, none, none);
    print(r, model, "uncertainty", r->uncertainty, none, none);
    print(r, model, "ece", r->calibration_error, none, none);
    print(r, model, "bias", r->bias, none, none);
    for (int i = 0; i < r->bins; i++) {
        const struct audit_reliability *b = &r->bin[i];

        score_print(stdout, "own", "bin", model, "forecast",
                    (struct score){b->forecast, none, none}, b->n);
        score_print(stdout, "own", "bin", model, "observed",
                    (struct score){b->observed, b->low, b->high}, b->n);
    }
}

static void print_share(const struct audit_report *r)
{
    print(r, "share", "logLoss", r->baseline_log_loss, (double)NAN, (double)NAN);
    print(r, "share", "brier", r->baseline_brier, (double)NAN, (double)NAN);
}

static enum err read_reports(struct store *store, struct arena *arena, struct audit_report *served,
                             struct audit_report *published)
{
    struct query q = {.stmt = STMT_AUDIT_OF_ALL};
    struct audit_bin bins[AUDIT_BINS];
    struct store_conn *conn;
    enum err e = store_connect(store, STORE_READER, &conn);

    if (e != ERR_OK)
        return e;
    e = store_read(conn, arena, &q, 1, 0);
    store_disconnect(conn);
    if (e != ERR_OK)
        return e;
    audits_of(&q.rows, AUDIT_SERVED, bins);
    audit_report_of(bins, served);
    audits_of(&q.rows, AUDIT_RECALL, bins);
    audit_report_of(bins, published);
    return ERR_OK;
}

int cmd_audit(const struct command_call *call)
{
    struct audit_report served, published;
    struct store *store;
    struct arena arena;
    int code = command_store(call, SCHEMA_CURRENT, &store);

    if (code != EXIT_SUCCESS)
        return code;
    arena_init(&arena, 1 << 20);
    enum err e = read_reports(store, &arena, &served, &published);
    arena_fini(&arena);
    store_close(store);
    if (e != ERR_OK)
        return command_failed(call->command, "cannot read the database: %s", err_text(e));
    fputs("set\tsplit\tmodel\tmetric\tvalue\tlow\thigh\tn\n", stdout);
    if (served.enough) /* what the nights have judged so far */
        print_all(&served, "doppel");
    if (published.enough) {
        print_all(&published, "fsrs-6-default");
        print_share(&published);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        return command_failed(call->command, "standard output does not take the figures");
    if (!published.enough)
        fprintf(stderr, "doppel audit: %lld outcomes so far; figures begin with %d\n",
                (long long)published.n, AUDIT_MIN);
    return EXIT_SUCCESS;
}
