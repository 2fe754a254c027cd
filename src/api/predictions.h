/* predictions - making a learner's forecasts on demand; see night/struggle.h. */
#pragma once
#include "api/api.h"

/* Within a writer's transaction. Nothing is made where the learner has switched analysis off.
 * ERR_NOT_FOUND: no such learner. deadline_us: monotonic. */
MUST_CHECK enum err predictions_make(struct store_conn *conn, struct str learner, int64_t now_us,
                                     int32_t days_ahead, int64_t deadline_us);
