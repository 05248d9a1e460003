// Text made as by printf, and the outcomes and crashes that say something.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "roomwire.h"

static rw_text formatted(const char *format, va_list list) {
    va_list again;
    va_copy(again, list);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (!text) abort();
    vsnprintf(text, (size_t)len + 1, format, list);
    return (rw_text){text, (size_t)len};
}

#define FORMATTED(text)             \
    va_list list;                   \
    va_start(list, format);         \
    rw_text text = formatted(format, list); \
    va_end(list)

rw_text rw_format(const char *format, ...) {
    FORMATTED(text);
    return text;
}

rw_outcome rw_skipped(const char *format, ...) {
    FORMATTED(why);
    return (rw_outcome){RW_SKIPPED, why, 0};
}

rw_outcome rw_retry(uint32_t after_ms, const char *format, ...) {
    FORMATTED(why);
    return (rw_outcome){RW_RETRY, why, after_ms};
}

rw_outcome rw_permanent(const char *format, ...) {
    FORMATTED(why);
    return (rw_outcome){RW_PERMANENT, why, 0};
}

void rw_crash_at(const char *file, int line, const char *format, ...) {
    FORMATTED(text);
    fprintf(stderr, "%s:%d: %.*s\n", file, line, RW_ARG(text));
    abort();
}
