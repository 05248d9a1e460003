// Uses each capability of the host once, by the event's type: what must come of it is in e2e/conformance/roll-call.json.

#include <stdlib.h>
#include <string.h>

#include "calls.h"

// Ends the event with what a call of the library gave, unless that is RW_DONE.
#define TRY(call)                               \
    do {                                        \
        rw_outcome given = (call);              \
        if (given.end != RW_DONE) return given; \
    } while (0)

static rw_outcome tell(rw_text data) {
    rw_text subject;
    TRY(rw_require("subject", &subject));
    return rw_publish(subject, data, NULL, 0);
}

static rw_outcome open(rw_bucket *bucket) {
    rw_text name;
    TRY(rw_require("bucket", &name));
    return rw_open(rw_format("%.*s", RW_ARG(name)).data, bucket);
}

static rw_outcome joined(const rw_event *event) {
    rw_bucket bucket;
    int64_t count;
    rw_log(RW_INFO, "roll-call", "%.*s joined", RW_ARG(event->participant));
    TRY(open(&bucket));
    TRY(rw_add(bucket, rw_of("joined"), 1, &count));
    TRY(rw_set(bucket, rw_of("last"), event->participant));
    return tell(rw_format("{\"room\":%.*s,\"identity\":%.*s,\"joined\":%lld}", RW_ARG(rw_json_quote(event->room)),
                          RW_ARG(rw_json_quote(event->participant)), (long long)count));
}

static int in_order(const void *a, const void *b) {
    const rw_text *one = a, *other = b;
    int order = memcmp(one->data, other->data, one->len < other->len ? one->len : other->len);
    return order ? order : (one->len > other->len) - (one->len < other->len);
}

// The texts as an array of JSON, in order.
static rw_text list(rw_text *texts, size_t count) {
    rw_text made = rw_of("");
    qsort(texts, count, sizeof *texts, in_order);
    for (size_t i = 0; i < count; i++) {
        made = rw_format("%.*s%s%.*s", RW_ARG(made), i ? "," : "", RW_ARG(rw_json_quote(texts[i])));
    }
    return rw_format("[%.*s]", RW_ARG(made));
}

static rw_outcome left(const rw_event *event) {
    rw_bucket bucket;
    rw_text last, cursor = rw_of(""), keys[100], *page;
    size_t count = 0, more;
    bool found;
    TRY(open(&bucket));
    TRY(rw_get(bucket, rw_of("last"), &last, &found));
    TRY(rw_delete(bucket, rw_of("last")));
    do {
        TRY(rw_keys(bucket, &cursor, &page, &more));
        for (size_t i = 0; i < more && count < sizeof keys / sizeof *keys; i++) keys[count++] = page[i];
    } while (cursor.len > 0);
    return tell(rw_format("{\"room\":%.*s,\"last\":%.*s,\"keys\":%.*s}", RW_ARG(rw_json_quote(event->room)),
                          RW_ARG(found ? rw_json_quote(last) : rw_of("null")), RW_ARG(list(keys, count))));
}

static rw_outcome ask(const rw_event *event) {
    rw_text endpoint;
    rw_response answer;
    TRY(rw_require("endpoint", &endpoint));
    rw_header header = {rw_of("x-event-id"), event->id};
    rw_text url = rw_format("%.*s/rooms/%.*s", RW_ARG(endpoint), RW_ARG(rw_url_part(event->room)));
    TRY(rw_fetch((rw_request){.method = rw_of("GET"), .url = url, .headers = &header, .header_count = 1}, &answer));
    switch (answer.status) {
    case 200: return tell(answer.body);
    case 404: return rw_permanent("upstream does not know %.*s", RW_ARG(event->room));
    default: return rw_retry(0, "upstream answered %d", answer.status);
    }
}

static rw_outcome send_on(const rw_event *event) {
    rw_text endpoint;
    TRY(rw_require("endpoint", &endpoint));
    rw_header header = {rw_of("x-room"), event->room};
    rw_text url = rw_format("%.*s/finished", RW_ARG(endpoint));
    return rw_send((rw_request){
        .method = rw_of("POST"), .url = url, .headers = &header, .header_count = 1, .body = event->json});
}

static rw_outcome post_with_secret(const rw_event *event) {
    rw_text endpoint, token;
    rw_response answer;
    TRY(rw_require("endpoint", &endpoint));
    TRY(rw_secret("TOKEN", &token));
    rw_header headers[] = {
        {rw_of("authorization"), rw_format("Bearer %.*s", RW_ARG(token))},
        {rw_of("content-type"), rw_of("application/json")},
    };
    rw_text sid = rw_json_quote(rw_json_text(event->json, "track.sid"));
    rw_request request = {.method = rw_of("POST"), .url = rw_format("%.*s/tracks", RW_ARG(endpoint)), .headers = headers,
                          .header_count = 2, .body = rw_format("{\"sid\":%.*s}", RW_ARG(sid))};
    TRY(rw_fetch(request, &answer));
    return answer.status == 204 ? rw_done() : rw_retry(0, "upstream answered %d", answer.status);
}

static rw_outcome ask_where_not_granted(void) {
    rw_response answer;
    return rw_fetch((rw_request){.method = rw_of("GET"), .url = rw_of("http://not-granted.invalid/")}, &answer);
}

static rw_outcome list_rooms(void) {
    rw_text answer, rooms, room, names = rw_of("");
    TRY(rw_livekit("RoomService", "ListRooms", rw_of("{}"), &answer, NULL));
    if (!rw_json_find(answer, "rooms", &rooms)) rooms = rw_of("[]");
    for (size_t i = 0; rw_json_item(rooms, i, &room); i++) {
        names = rw_format("%.*s%s%.*s", RW_ARG(names), i ? "," : "", RW_ARG(rw_json_quote(rw_json_text(room, "name"))));
    }
    return tell(rw_format("{\"rooms\":[%.*s]}", RW_ARG(names)));
}

static void three(const rw_event *event) { rw_crash("three calls deep in %.*s", RW_ARG(event->kind)); }

static void two(const rw_event *event) { three(event); }

static rw_outcome one(const rw_event *event) { return two(event), rw_done(); }

rw_outcome rw_handle(const rw_event *event) {
    rw_bucket bucket;
    if (rw_is(event->kind, "participant_joined")) return joined(event);
    if (rw_is(event->kind, "participant_left")) return left(event);
    if (rw_is(event->kind, "room_started")) return ask(event);
    if (rw_is(event->kind, "room_finished")) return send_on(event);
    if (rw_is(event->kind, "track_published")) return post_with_secret(event);
    if (rw_is(event->kind, "track_unpublished")) return ask_where_not_granted();
    if (rw_is(event->kind, "egress_started")) return list_rooms();
    if (rw_is(event->kind, "egress_ended")) return one(event);
    if (rw_is(event->kind, "ingress_ended")) return rw_open("not-granted", &bucket);
    return rw_skipped("not on the roll");
}

rw_text rw_check(void) { return rw_of(""); }
