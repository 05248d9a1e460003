// The rules for URLs and refusals, as a program of the machine: `cc -I. text.c rules.c tests/rules.c -o test && ./test`.

#include <stdio.h>
#include <string.h>

#include "rules.h"

static int failed;

static void is(const char *what, rw_text found, const char *expected) {
    if (rw_is(found, expected)) return;
    printf("%s is %.*s and not %s\n", what, RW_ARG(found), expected);
    failed = 1;
}

static void urls(void) {
    static const char *const GOOD[][4] = {
        {"http://a", "http://a", "a", "/"},
        {"https://a:8443/b/c?d=/e#f", "https://a:8443", "a:8443", "/b/c?d=/e"},
        {"http://[::1]:80?x=1", "http://[::1]:80", "[::1]:80", "/?x=1"},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        rw_url url = {0};
        if (!rw_url_split(rw_of(GOOD[i][0]), &url) || url.secure != (GOOD[i][0][4] == 's')) {
            failed = 1, printf("%s is refused\n", GOOD[i][0]);
            continue;
        }
        is("the origin", url.origin, GOOD[i][1]);
        is("the authority", url.authority, GOOD[i][2]);
        is("the path", url.path, GOOD[i][3]);
    }
    static const char *const BAD[] = {"", "a/b", "ftp://a", "HTTP//a", "http:/"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        rw_url url;
        if (rw_url_split(rw_of(BAD[i]), &url)) failed = 1, printf("%s is taken\n", BAD[i]);
    }
    is("a part", rw_url_part(rw_of("blue room/1 ü?#%-._~")), "blue%20room%2F1%20%C3%BC%3F%23%25-._~");
}

static void http_failures(void) {
    static const struct {
        uint8_t code;
        const char *said;
        rw_end end;
        const char *why;
    } CASES[] = {
        {15, "", RW_PERMANENT, "http://a is not granted; add it to the handler's `allow.http`"},
        {4, "", RW_PERMANENT, "GET http://a: its address is not granted; add the address to the handler's `allow.http`, or its network to `allow.networks`"},
        {38, "too many", RW_PERMANENT, "GET http://a: too many"},
        {38, "", RW_RETRY, "GET http://a: internal error"},
        {6, "", RW_RETRY, "GET http://a: connection refused"},
        {1, "NXDOMAIN", RW_RETRY, "GET http://a: no address: NXDOMAIN"},
        {1, "", RW_RETRY, "GET http://a: dns error"},
        {28, "", RW_PERMANENT, "GET http://a: http response body size"},
        {200, "", RW_RETRY, "GET http://a: an error without a name"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        rw_outcome outcome = rw_http_failed(rw_of("GET http://a"), rw_of("http://a"), CASES[i].code, rw_of(CASES[i].said));
        is("the reason", outcome.why, CASES[i].why);
        if (outcome.end != CASES[i].end) failed = 1, printf("%s: the end is %d\n", CASES[i].why, (int)outcome.end);
    }
}

static void refusals(void) {
    rw_outcome never = rw_livekit_refused("RoomService", "DeleteRoom", rw_of("not_found"), rw_of("no such room"));
    is("LiveKit's refusal", never.why, "RoomService/DeleteRoom: no such room (not_found)");
    if (never.end != RW_PERMANENT) failed = 1, printf("not_found is tried again\n");
    if (rw_livekit_refused("A", "B", rw_of("unavailable"), rw_of("")).end != RW_RETRY) failed = 1, printf("unavailable is not tried again\n");
}

static void headers(void) {
    rw_header pairs[] = {{rw_of("a"), rw_of("1")}, {rw_of("a"), rw_of("2")}};
    rw_response response = {.status = 200, .headers = pairs, .header_count = 2};
    rw_text value = rw_of("");
    if (!rw_response_header(&response, "a", &value) || rw_response_header(&response, "b", &value)) failed = 1, printf("the header\n");
    is("the first header", value, "1");
}

int main(void) {
    urls();
    http_failures();
    refusals();
    headers();
    printf("rules: %s\n", failed ? "failed" : "fine");
    return failed;
}
