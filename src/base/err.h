/* err - the one list of errors, and how functions say that they may fail.
 *
 * A function that can fail returns `enum err`, marked MUST_CHECK, and writes its results
 * (parameters named ret_x) only on success. */
#pragma once
#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

enum err {
#define ERR(name, http, code, retry, text) ERR_##name,
#include "base/err.def"
#undef ERR
    ERR_COUNT
};

int err_http(enum err e);         /* status, 0 if it never leaves the process */
const char *err_code(enum err e); /* "NOT_FOUND": stable, for programs */
const char *err_text(enum err e); /* one sentence, for people */
bool err_may_retry(enum err e);
