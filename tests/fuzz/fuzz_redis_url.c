/* A URL from a settings file. What is taken must be within its bounds and can be printed. */
#include "redis/url.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_url u;
    const char *why = NULL;
    char shown[REDIS_URL_TEXT_MAX];

    if (redis_url_parse((struct str){(const char *)data, size}, &u, &why) != ERR_OK) {
        if (!why)
            abort();
        return 0;
    }
    if (u.db < 0 || u.db > REDIS_DB_MAX || (u.is_unix ? u.path[0] != '/' : !u.host[0] || !u.port))
        abort();
    redis_url_print(&u, shown);
    return 0;
}
