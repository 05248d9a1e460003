// What the host calls, and the event, config, logs, messages and keys.

#include <stdlib.h>
#include <string.h>

#include "bindings.h"

static rw_text from_option(plugin_option_string_t text) { return text.is_some ? rw_from(text.val) : (rw_text){"", 0}; }

// What is returned is freed by the bindings.
static plugin_string_t given(rw_text text) {
    uint8_t *copy = malloc(text.len ? text.len : 1);
    if (!copy) abort();
    memcpy(copy, text.data, text.len);
    return (plugin_string_t){copy, text.len};
}

rw_text rw_attribute(const rw_event *event, const char *name) {
    const plugin_list_tuple2_string_string_t *attributes = event->attributes;
    for (size_t i = 0; i < attributes->len; i++) {
        if (rw_is(rw_from(attributes->ptr[i].f0), name)) return rw_from(attributes->ptr[i].f1);
    }
    return (rw_text){"", 0};
}

bool rw_config(rw_text key, rw_text *value) {
    plugin_string_t name = rw_lent(key);
    plugin_option_string_t found;
    wasi_config_store_error_t error;
    if (!wasi_config_store_get(&name, &found, &error) || !found.is_some) return false;
    *value = rw_from(found.val);
    return true;
}

rw_outcome rw_require(const char *key, rw_text *value) {
    return rw_config(rw_of(key), value) ? rw_done() : rw_permanent("set `config.%s`", key);
}

void rw_log_text(rw_level level, const char *context, rw_text text) {
    plugin_string_t name = rw_lent(rw_of(context)), line = rw_lent(text);
    wasi_logging_logging_log((wasi_logging_logging_level_t)level, &name, &line);
}

plugin_list_tuple2_string_string_t rw_pairs(const rw_header *headers, size_t count) {
    plugin_tuple2_string_string_t *pairs = calloc(count ? count : 1, sizeof *pairs);
    if (!pairs) abort();
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (plugin_tuple2_string_string_t){rw_lent(headers[i].name), rw_lent(headers[i].value)};
    }
    return (plugin_list_tuple2_string_string_t){pairs, count};
}

rw_outcome rw_publish(rw_text subject, rw_text data, const rw_header *headers, size_t count) {
    roomwire_plugin_effects_message_t message = {
        .subject = rw_lent(subject), .data = rw_bytes(data), .headers = rw_pairs(headers, count)};
    roomwire_plugin_effects_error_t error;
    return roomwire_plugin_effects_publish(&message, &error) ? rw_done() : rw_not_taken(error);
}

rw_outcome rw_not_taken(roomwire_plugin_effects_error_t error) {
    switch (error.tag) {
    case ROOMWIRE_PLUGIN_EFFECTS_ERROR_DENIED: return rw_permanent("%.*s", RW_ARG(rw_from(error.val.denied)));
    case ROOMWIRE_PLUGIN_EFFECTS_ERROR_TOO_LARGE:
        return rw_permanent("the message or request is larger than the host takes");
    case ROOMWIRE_PLUGIN_EFFECTS_ERROR_QUOTA_EXCEEDED: return rw_permanent("too many effects in one call");
    default: return rw_retry(0, "%.*s", RW_ARG(rw_from(error.val.other)));
    }
}

static rw_outcome keys_failed(const char *name, wasi_keyvalue_store_error_t error) {
    switch (error.tag) {
    case WASI_KEYVALUE_STORE_ERROR_NO_SUCH_STORE: return rw_permanent("there is no bucket `%s`", name);
    case WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED:
        return rw_permanent("bucket `%s` is not granted; add it to the handler's `allow.keyvalue`", name);
    default: return rw_permanent("%.*s", RW_ARG(rw_from(error.val.other)));
    }
}

static wasi_keyvalue_store_borrow_bucket_t borrowed(rw_bucket bucket) {
    return wasi_keyvalue_store_borrow_bucket((wasi_keyvalue_store_own_bucket_t){bucket.handle});
}

rw_outcome rw_open(const char *name, rw_bucket *bucket) {
    plugin_string_t text = rw_lent(rw_of(name));
    wasi_keyvalue_store_own_bucket_t opened;
    wasi_keyvalue_store_error_t error;
    if (!wasi_keyvalue_store_open(&text, &opened, &error)) return keys_failed(name, error);
    *bucket = (rw_bucket){opened.__handle, name};
    return rw_done();
}

rw_outcome rw_get(rw_bucket bucket, rw_text key, rw_text *value, bool *found) {
    plugin_string_t name = rw_lent(key);
    plugin_option_list_u8_t answer;
    wasi_keyvalue_store_error_t error;
    if (!wasi_keyvalue_store_method_bucket_get(borrowed(bucket), &name, &answer, &error)) {
        return keys_failed(bucket.name, error);
    }
    *found = answer.is_some;
    *value = answer.is_some ? (rw_text){(const char *)answer.val.ptr, answer.val.len} : (rw_text){"", 0};
    return rw_done();
}

rw_outcome rw_set(rw_bucket bucket, rw_text key, rw_text value) {
    plugin_string_t name = rw_lent(key);
    plugin_list_u8_t bytes = rw_bytes(value);
    wasi_keyvalue_store_error_t error;
    bool done = wasi_keyvalue_store_method_bucket_set(borrowed(bucket), &name, &bytes, &error);
    return done ? rw_done() : keys_failed(bucket.name, error);
}

rw_outcome rw_delete(rw_bucket bucket, rw_text key) {
    plugin_string_t name = rw_lent(key);
    wasi_keyvalue_store_error_t error;
    bool done = wasi_keyvalue_store_method_bucket_delete(borrowed(bucket), &name, &error);
    return done ? rw_done() : keys_failed(bucket.name, error);
}

rw_outcome rw_add(rw_bucket bucket, rw_text key, int64_t delta, int64_t *sum) {
    plugin_string_t name = rw_lent(key);
    wasi_keyvalue_atomics_error_t error;
    bool done = wasi_keyvalue_atomics_increment(borrowed(bucket), &name, delta, sum, &error);
    return done ? rw_done() : keys_failed(bucket.name, error);
}

rw_outcome rw_keys(rw_bucket bucket, rw_text *cursor, rw_text **keys, size_t *count) {
    plugin_string_t after = rw_lent(*cursor);
    wasi_keyvalue_store_key_response_t page;
    wasi_keyvalue_store_error_t error;
    bool done =
        wasi_keyvalue_store_method_bucket_list_keys(borrowed(bucket), cursor->len ? &after : NULL, &page, &error);
    if (!done) return keys_failed(bucket.name, error);
    *count = page.keys.len;
    *keys = calloc(page.keys.len ? page.keys.len : 1, sizeof **keys);
    if (!*keys) abort();
    for (size_t i = 0; i < page.keys.len; i++) (*keys)[i] = rw_from(page.keys.ptr[i]);
    *cursor = from_option(page.cursor);
    return rw_done();
}

bool exports_roomwire_plugin_handler_handle(exports_roomwire_plugin_handler_event_t *raw,
                                            exports_roomwire_plugin_handler_outcome_t *outcome,
                                            exports_roomwire_plugin_handler_failure_t *failure) {
    rw_event event = {
        .id = rw_from(raw->id), .kind = rw_from(raw->kind), .project = rw_from(raw->project), .room = from_option(raw->room),
        .participant = from_option(raw->participant), .created_at = rw_from(raw->created_at), .json = rw_from(raw->json),
        .attempt = raw->attempt, .deadline_ms = raw->deadline_ms, .attributes = &raw->attributes};
    rw_outcome ended = rw_handle(&event);
    switch (ended.end) {
    case RW_DONE: outcome->tag = ROOMWIRE_PLUGIN_EVENT_TYPES_OUTCOME_DONE; return true;
    case RW_SKIPPED:
        outcome->tag = ROOMWIRE_PLUGIN_EVENT_TYPES_OUTCOME_SKIPPED;
        outcome->val.skipped = given(ended.why);
        return true;
    case RW_RETRY:
        failure->tag = ROOMWIRE_PLUGIN_EVENT_TYPES_FAILURE_RETRY;
        failure->val.retry.reason = given(ended.why);
        failure->val.retry.after_ms = (plugin_option_u32_t){ended.after_ms > 0, ended.after_ms};
        return false;
    case RW_PERMANENT: break;
    }
    failure->tag = ROOMWIRE_PLUGIN_EVENT_TYPES_FAILURE_PERMANENT;
    failure->val.permanent = given(ended.why);
    return false;
}

bool exports_roomwire_plugin_handler_check(plugin_string_t *error) {
    rw_text why = rw_check();
    if (why.len == 0) return true;
    *error = given(why);
    return false;
}
