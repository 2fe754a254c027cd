#include "base/assert.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void assert_failed(const char *cond, const char *file, int line, const char *func)
{
    void *frames[32];

    fprintf(stderr, "doppel %s: bug: %s at %s:%d in %s\n", DOPPEL_VERSION, cond, file, line, func);
    backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
    abort();
}
