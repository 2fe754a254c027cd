/* assert - the report of a bug: what, where, and by which way. */
#include "base/assert.h"

#include <execinfo.h>
#include <unistd.h>

enum { FRAMES_MAX = 32 };

_Noreturn void assert_failed(const char *cond, const char *file, int line, const char *func)
{
    void *frames[FRAMES_MAX];

    dprintf(STDERR_FILENO,
            "\ndoppel %s: a bug: %s\n  at %s:%d in %s(); please report these lines\n",
            DOPPEL_VERSION, cond, file, line, func);
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    abort();
}
