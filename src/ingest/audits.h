/* audits - the stored sums of the server's own forecasts, as twin/audit.h takes them. */
#pragma once
#include "store/store.h"
#include "twin/audit.h"

enum { AUDIT_SLOTS = 64 }; /* a model's, in the column `slot` */
_Static_assert((int)AUDIT_BINS <= (int)AUDIT_SLOTS, "bins of a model");

/* From the rows of audit_of_learner or audit_of_all. bins: AUDIT_BINS of them. */
void audits_of(const struct rows *rows, enum audit_model model, struct audit_bin *ret_bins);
