// Handlers for LiveKit events, in C. See README.md; calls.h has HTTP, LiveKit's API and secrets. Memory is never freed: an instance lives for one event.
#ifndef ROOMWIRE_H
#define ROOMWIRE_H

#include <stdint.h>

#include "json.h"

// For "%.*s" of printf.
#define RW_ARG(text) (int)(text).len, (text).data

// One event, as the plugin contract has it. Texts that the event does not have are empty.
typedef struct {
    rw_text id, kind, project, room, participant, created_at;
    // The webhook's body as LiveKit signed it: see rw_json_text.
    rw_text json;
    // 1 on the first attempt.
    uint32_t attempt;
    // What is left of the handler's timeout at the start of the call, milliseconds.
    uint32_t deadline_ms;
    // What rw_attribute looks into.
    const void *attributes;
} rw_event;

typedef enum { RW_DONE, RW_SKIPPED, RW_RETRY, RW_PERMANENT } rw_end;

// What became of an event. `why` goes with all but RW_DONE; `after_ms` is that of a retry, 0 for the handler's policy.
typedef struct {
    rw_end end;
    rw_text why;
    uint32_t after_ms;
} rw_outcome;

// Yours: one event, in a fresh instance.
rw_outcome rw_handle(const rw_event *event);

// Yours: called once at deploy, with the config and no grants. An empty text is well; any other refuses the deploy.
rw_text rw_check(void);

static inline rw_outcome rw_done(void) { return (rw_outcome){RW_DONE, {"", 0}, 0}; }

// Settled as done, counted apart. The text of this and the next two is made as by printf.
__attribute__((format(printf, 1, 2))) rw_outcome rw_skipped(const char *format, ...);

// Try again later: after so many milliseconds, or by the handler's retry policy if that is 0.
__attribute__((format(printf, 2, 3))) rw_outcome rw_retry(uint32_t after_ms, const char *format, ...);

// Never try again: a dead letter at once.
__attribute__((format(printf, 1, 2))) rw_outcome rw_permanent(const char *format, ...);

// A bug: ends the call as a crash, with file, line and the text on stderr.
#define rw_crash(...) rw_crash_at(__FILE__, __LINE__, __VA_ARGS__)
__attribute__((format(printf, 3, 4), noreturn)) void rw_crash_at(const char *file, int line, const char *format, ...);

// Text as by printf. It may hold zeros that come with "%.*s" only up to the first.
__attribute__((format(printf, 1, 2))) rw_text rw_format(const char *format, ...);

// The text of a literal or another C string.
static inline rw_text rw_of(const char *text) { return (rw_text){text, __builtin_strlen(text)}; }

static inline bool rw_is(rw_text text, const char *expected) {
    return text.len == __builtin_strlen(expected) && __builtin_memcmp(text.data, expected, text.len) == 0;
}

// An attribute by its name, e.g. "ordering-key"; empty where it is not there.
rw_text rw_attribute(const rw_event *event, const char *name);

// The value of a key of the handler's config in roomwire.yaml; false where it is not there.
bool rw_config(rw_text key, rw_text *value);

// The same of a key that must be there: a permanent failure that names it where it is not.
rw_outcome rw_require(const char *key, rw_text *value);

typedef enum { RW_TRACE, RW_DEBUG, RW_INFO, RW_WARN, RW_ERROR, RW_CRITICAL } rw_level;

// A line for the runner's log and the record of the attempt; rw_log makes the text as by printf.
void rw_log_text(rw_level level, const char *context, rw_text text);
#define rw_log(level, context, ...) rw_log_text(level, context, rw_format(__VA_ARGS__))

typedef struct {
    rw_text name, value;
} rw_header;

// Publishes a message to a NATS subject that allow.publish grants, once, after the end of the event is committed; of a call
// that fails nothing leaves. RW_DONE if the host takes it; what is denied, too large or too many is a permanent failure.
rw_outcome rw_publish(rw_text subject, rw_text data, const rw_header *headers, size_t count);

// A bucket of keys that allow.keyvalue grants. What a call changes is committed with the end of its event; of a call that
// fails nothing is changed. Each room sees keys of its own, unless the bucket's scope is shared. These functions give
// RW_DONE; what the host refuses (a bucket that is not granted or is full, a key or value that is too large) is a permanent
// failure.
typedef struct {
    int32_t handle;
    const char *name;
} rw_bucket;

rw_outcome rw_open(const char *name, rw_bucket *bucket);

// The value of a key, and whether it is there.
rw_outcome rw_get(rw_bucket bucket, rw_text key, rw_text *value, bool *found);

// Sets a key, over whatever it held.
rw_outcome rw_set(rw_bucket bucket, rw_text key, rw_text value);

// Removes a key; one that is not there is no error.
rw_outcome rw_delete(rw_bucket bucket, rw_text key);

// Adds to the decimal number in a key, 0 where it is not there, and gives the sum.
rw_outcome rw_add(rw_bucket bucket, rw_text key, int64_t delta, int64_t *sum);

// A page of keys, in order. `cursor` is empty for the first page, and afterwards where the next one begins: empty after the
// last one.
rw_outcome rw_keys(rw_bucket bucket, rw_text *cursor, rw_text **keys, size_t *count);

#endif
