#include "base/err.h"

#include "base/assert.h"

static const struct {
    int http;
    const char *code, *text;
    bool retry;
} table[ERR_COUNT] = {
#define ERR(name, http_, code_, retry_, text_) [ERR_##name] = {http_, code_, text_, retry_},
#include "base/err.def"
#undef ERR
};

int err_http(enum err e)
{
    ASSERT(e < ERR_COUNT);
    return table[e].http;
}

const char *err_code(enum err e)
{
    ASSERT(e < ERR_COUNT);
    return table[e].code;
}

const char *err_text(enum err e)
{
    ASSERT(e < ERR_COUNT);
    return table[e].text;
}

bool err_may_retry(enum err e)
{
    ASSERT(e < ERR_COUNT);
    return table[e].retry;
}
