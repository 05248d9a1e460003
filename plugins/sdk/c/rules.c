// See rules.h.

#include "rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool starts(rw_text text, const char *with) {
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.data, with, len) == 0;
}

// How far it is to one of these bytes, or to the end.
static size_t until(rw_text text, size_t from, const char *stops) {
    while (from < text.len && !(text.data[from] && strchr(stops, text.data[from]))) from++;
    return from;
}

bool rw_url_split(rw_text url, rw_url *parts) {
    if (!starts(url, "http://") && !starts(url, "https://")) return false;
    parts->secure = starts(url, "https");
    url.len = until(url, 0, "#");
    size_t begin = parts->secure ? 8 : 7, end = until(url, begin, "/?");
    rw_text path = {url.data + end, url.len - end};
    parts->origin = (rw_text){url.data, end};
    parts->authority = (rw_text){url.data + begin, end - begin};
    parts->path = starts(path, "/") ? path : rw_format("/%.*s", RW_ARG(path));
    return true;
}

rw_text rw_url_part(rw_text text) {
    char *made = malloc(3 * text.len + 1), *to = made;
    if (!made) abort();
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x80 && (isalnum(byte) || (byte && strchr("-._~", byte)))) {
            *to++ = (char)byte;
        } else {
            *to++ = '%';
            *to++ = "0123456789ABCDEF"[byte >> 4];
            *to++ = "0123456789ABCDEF"[byte & 15];
        }
    }
    return (rw_text){made, (size_t)(to - made)};
}

bool rw_response_header(const rw_response *response, const char *name, rw_text *value) {
    for (size_t i = 0; i < response->header_count; i++) {
        if (!rw_is(response->headers[i].name, name)) continue;
        *value = response->headers[i].value;
        return true;
    }
    return false;
}

// The cases of wasi:http's error-code, in its order.
static const char *const CODES[] = {
    "dns timeout", "dns error", "destination not found", "destination unavailable", "destination ip prohibited",
    "destination ip unroutable", "connection refused", "connection terminated", "connection timeout",
    "connection read timeout", "connection write timeout", "connection limit reached", "tls protocol error",
    "tls certificate error", "tls alert received", "http request denied", "http request length required",
    "http request body size", "http request method invalid", "http request uri invalid", "http request uri too long",
    "http request header section size", "http request header size", "http request trailer section size",
    "http request trailer size", "http response incomplete", "http response header section size",
    "http response header size", "http response body size", "http response trailer section size",
    "http response trailer size", "http response transfer coding", "http response content coding",
    "http response timeout", "http upgrade failed", "http protocol error", "loop detected", "configuration error",
    "internal error",
};

rw_outcome rw_http_failed(rw_text to, rw_text origin, uint8_t code, rw_text said) {
    const char *words = code < sizeof CODES / sizeof *CODES ? CODES[code] : "an error without a name";
    switch (code) {
    case 1:
        if (said.len == 0) break;
        return rw_retry(0, "%.*s: no address: %.*s", RW_ARG(to), RW_ARG(said));
    case 4:
        return rw_permanent("%.*s: its address is not granted; add the address to the handler's `allow.http`, or its "
                            "network to `allow.networks`", RW_ARG(to));
    case 15: return rw_permanent("%.*s is not granted; add it to the handler's `allow.http`", RW_ARG(origin));
    case 17: return rw_permanent("%.*s: the body is too large, or not as long as it says", RW_ARG(to));
    case 18: case 19: case 20: case 28: return rw_permanent("%.*s: %s", RW_ARG(to), words);
    case 38:
        if (said.len == 0) break;
        return rw_permanent("%.*s: %.*s", RW_ARG(to), RW_ARG(said));
    }
    return rw_retry(0, "%.*s: %s", RW_ARG(to), words);
}

rw_outcome rw_livekit_refused(const char *service, const char *method, rw_text code, rw_text message) {
    static const char *const PASSING[] = {"unavailable", "deadline_exceeded", "resource_exhausted", "aborted", "internal", "unknown"};
    rw_text why = rw_format("%s/%s: %.*s (%.*s)", service, method, RW_ARG(message), RW_ARG(code));
    for (size_t i = 0; i < sizeof PASSING / sizeof *PASSING; i++) {
        if (rw_is(code, PASSING[i])) return rw_retry(0, "%.*s", RW_ARG(why));
    }
    return rw_permanent("%.*s", RW_ARG(why));
}
