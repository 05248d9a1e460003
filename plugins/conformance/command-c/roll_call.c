// Uses each capability that a command has once, by the event's type: what must come of it is in
// e2e/conformance/roll-call.json. Of what it lacks it says so.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

// For "%.*s" of printf.
#define ARG(text) (int)(text).len, (text).data

// A bug: file and line, and any other exit code.
#define CRASH(...) (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__), exit(1))

static rw_text of(const char *text) { return (rw_text){text, strlen(text)}; }

static rw_text config(const char *key) {
    const char *text = getenv(key);
    return of(text ? text : "");
}

// All of stdin. Memory is never freed: the program lives for one event.
static rw_text read_all(void) {
    size_t size = 1 << 16, len = 0, got;
    char *data = malloc(size);
    while (data && (got = fread(data + len, 1, size - len, stdin)) > 0) {
        len += got;
        if (len == size) data = realloc(data, size *= 2);
    }
    if (!data) CRASH("no memory\n");
    return (rw_text){data, len};
}

static rw_text joined_texts(const char *first, rw_text second) {
    char *text;
    int len = asprintf(&text, "%s%.*s", first, ARG(second));
    if (len < 0) CRASH("no memory\n");
    return (rw_text){text, (size_t)len};
}

// A text as JSON, between two pieces of a line on stdout.
static void put(const char *before, rw_text text, const char *after) {
    printf("%s%.*s%s", before, ARG(rw_json_quote(text)), after);
}

// Begins a message, whose data is a JSON that is sent as it is; the line ends with "}}".
static void begin_message(rw_text room) {
    put("{\"publish\":{\"subject\":", config("subject"), ",\"data\":");
    put("{\"room\":", room, "");
}

// What stands in the document for a key of the bucket; false where the key is not there.
static bool key(rw_text event, const char *name, rw_text *value) {
    rw_text bucket, keys;
    if (!rw_json_find(event, "kv", &keys) || !rw_json_find(keys, config("bucket").data, &bucket)) return false;
    if (!rw_json_find(bucket, name, value)) return false;
    *value = rw_json_text(bucket, name);
    return true;
}

static void change(const char *name) {
    put("{\"kv\":{\"bucket\":", config("bucket"), ",\"key\":");
    put("", of(name), ",");
}

static void joined(rw_text event) {
    rw_text identity = rw_json_text(event, "participant"), count;
    long number = key(event, "joined", &count) ? strtol(joined_texts("", count).data, NULL, 10) : 0;
    fprintf(stderr, "INFO:roll-call:%.*s joined\n", ARG(identity));
    change("joined"), printf("\"add\":1}}\n");
    change("last"), put("\"set\":", identity, "}}\n");
    begin_message(rw_json_text(event, "room"));
    put(",\"identity\":", identity, ","), printf("\"joined\":%ld}}}\n", number + 1);
}

static void left(rw_text event) {
    rw_text last, count;
    bool is_known = key(event, "last", &last), has_count = key(event, "joined", &count);
    change("last"), printf("\"delete\":true}}\n");
    begin_message(rw_json_text(event, "room"));
    printf(",\"last\":%.*s,\"keys\":[%s]}}}\n", ARG(is_known ? rw_json_quote(last) : of("null")), has_count ? "\"joined\"" : "");
}

static void begin_send(const char *path) {
    rw_text endpoint = config("endpoint");
    printf("{\"send\":{\"method\":\"POST\",\"url\":\"%.*s%s\",\"headers\":{", ARG(endpoint), path);
}

static void post_with_secret(rw_text event) {
    rw_text sid = rw_json_quote(rw_json_text(event, "event.track.sid"));
    begin_send("/tracks");
    put("\"authorization\":", joined_texts("Bearer ", config("TOKEN")), ",\"content-type\":\"application/json\"},");
    printf("\"body\":{\"sid\":%.*s}}}\n", ARG(sid));
}

static void three(rw_text event) { CRASH("three calls deep in %.*s\n", ARG(rw_json_text(event, "kind"))); }

static void two(rw_text event) { three(event); }

static void one(rw_text event) { two(event); }

int main(void) {
    rw_text event = read_all(), kind = rw_json_text(event, "kind");
#define IS(name) (kind.len == sizeof name - 1 && memcmp(kind.data, name, kind.len) == 0)
    if (IS("participant_joined")) joined(event);
    else if (IS("participant_left")) left(event);
    else if (IS("room_started")) puts("{\"permanent\":\"it lacks http\"}");
    else if (IS("room_finished")) {
        begin_send("/finished");
        put("\"x-room\":", rw_json_text(event, "room"), "},"), put("\"body\":", rw_json_text(event, "raw"), "}}\n");
    } else if (IS("track_published")) post_with_secret(event);
    else if (IS("track_unpublished")) puts("{\"send\":{\"method\":\"GET\",\"url\":\"http://not-granted.invalid/\"}}");
    else if (IS("egress_started")) puts("{\"permanent\":\"it lacks livekit\"}");
    else if (IS("egress_ended")) one(event);
    else if (IS("ingress_ended")) puts("{\"kv\":{\"bucket\":\"not-granted\",\"key\":\"last\",\"delete\":true}}");
    else puts("{\"skip\":\"not on the roll\"}");
    return 0;
}
