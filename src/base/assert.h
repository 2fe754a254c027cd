/* assert - a bug of ours ends the process with a report that one can paste. On in every build. */
#pragma once

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ASSERT(cond)                                            \
    do {                                                        \
        if (__builtin_expect(!(cond), 0))                       \
            assert_failed(#cond, __FILE__, __LINE__, __func__); \
    } while (0)
#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__, __func__)

_Noreturn void assert_failed(const char *cond, const char *file, int line, const char *func);
