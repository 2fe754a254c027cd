#include "ingest/audits.h"

#include <string.h>

void audits_of(const struct rows *rows, enum audit_model model, struct audit_bin *ret_bins)
{
    memset(ret_bins, 0, AUDIT_BINS * sizeof *ret_bins);
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        int64_t slot = value_i64(&v[0], 0), bin = slot % AUDIT_SLOTS;

        if (slot / AUDIT_SLOTS != (int64_t)model || bin >= AUDIT_BINS)
            continue;
        ret_bins[bin] = (struct audit_bin){.n = value_i64(&v[1], 0),
                                           .yes = value_i64(&v[2], 0),
                                           .p_micro = value_i64(&v[3], 0),
                                           .square_micro = value_i64(&v[4], 0),
                                           .brier_micro = value_i64(&v[5], 0),
                                           .loss_micro = value_i64(&v[6], 0)};
    }
}
