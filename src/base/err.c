/* err - what each error means outside the process. */
#include "base/err.h"

#include "base/assert.h"

struct row {
    int http;
    const char *code, *text;
    bool may_retry;
};

static const struct row rows[ERR_COUNT] = {
#define ERR(name, http_, code_, retry_, text_) \
    [ERR_##name] = {.http = (http_), .code = (code_), .text = (text_), .may_retry = (retry_)},
#include "base/err.def"
#undef ERR
};

static const struct row *row(enum err e)
{
    ASSERT((unsigned)e < ERR_COUNT);
    return &rows[e];
}

int err_http(enum err e)
{
    return row(e)->http;
}

const char *err_code(enum err e)
{
    return row(e)->code;
}

const char *err_text(enum err e)
{
    return row(e)->text;
}

bool err_may_retry(enum err e)
{
    return row(e)->may_retry;
}
