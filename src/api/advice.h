/* advice - what the two files of advice share: its body, and the period that it is about. */
#pragma once
#include "api/summaries.h"

struct advice_in {
    struct str user_id, user_id_too;
    int32_t period; /* an index into standing_range_names, of the first three */
};
extern const struct field advice_body[];
