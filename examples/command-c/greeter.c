// Greets everybody who joins a room, in their language, a moment after they came.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

// For "%.*s" of printf.
#define ARG(text) (int)(text).len, (text).data

// What sysexits.h calls EX_TEMPFAIL and EX_DATAERR; the last line of stderr is the reason.
enum { TRY_AGAIN = 75, NEVER = 65 };

// A bug: file and line, and any other exit code.
#define CRASH(...) (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__), exit(1))

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

static bool is(rw_text text, const char *expected) {
    return text.len == strlen(expected) && memcmp(text.data, expected, text.len) == 0;
}

// A text in JSON, as part of a line on stdout.
static void put(rw_text text) {
    putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '"' || byte == '\\') printf("\\%c", byte);
        else if (byte < 0x20) printf("\\u%04x", byte);
        else putchar(byte);
    }
    putchar('"');
}

static void put_line(const char *name, const char *text) {
    printf("{\"%s\":", name);
    put((rw_text){text, strlen(text)});
    printf("}\n");
}

// What is wrong with config.delay_ms, how long to wait before the greeting; empty if nothing is.
static const char *delay(unsigned long *ms) {
    static char wrong[200];
    const char *text = getenv("delay_ms");
    char *end = "";
    *ms = text ? strtoul(text, &end, 10) : 0;
    if (text && (*end || !*text || strlen(text) > 9)) {
        snprintf(wrong, sizeof wrong, "`config.delay_ms` is \"%.100s\", which is no number of milliseconds", text);
    }
    return wrong;
}

// config.greeting_<language>, where the metadata names a language, else config.greeting.
static const char *greeting(rw_text metadata) {
    char key[100];
    rw_text language = rw_json_text(metadata, "language");
    snprintf(key, sizeof key, "greeting_%.*s", language.len < 80 ? (int)language.len : 0, language.data);
    const char *text = getenv(key);
    if (!text) text = getenv("greeting");
    return text ? text : "welcome";
}

// Before the handler goes live: what is wrong in its config?
static int check(void) {
    unsigned long wait;
    const char *wrong = getenv("subject") ? delay(&wait) : "set `config.subject`";
    if (*wrong) put_line("refuse", wrong);
    return 0;
}

static int handle(rw_text event) {
    if (!is(rw_json_text(event, "kind"), "participant_joined")) return put_line("skip", "nobody joined"), 0;
    rw_text participant, room;
    if (!rw_json_find(event, "event.participant", &participant)) return fputs("no participant in the event\n", stderr), NEVER;
    rw_text identity = rw_json_text(participant, "identity"), kind = rw_json_text(participant, "kind");
    if (kind.len > 0 && !is(kind, "STANDARD")) {
        char why[100];
        snprintf(why, sizeof why, "%.*s is not greeted", ARG(kind));
        fprintf(stderr, "DEBUG:greeter:%.*s is no person\n", ARG(identity));
        return put_line("skip", why), 0;
    }
    if (!rw_json_find(event, "event.room", &room)) CRASH("participant_joined without a room\n");
    unsigned long wait;
    const char *wrong = delay(&wait);
    if (*wrong) return fprintf(stderr, "%s\n", wrong), NEVER;
    rw_text attempt = rw_json_text(event, "attempt");
    if (is(attempt, "1") && wait > 0) {
        printf("{\"retry\":{\"after_ms\":%lu}}\n", wait);
        return fputs("the client needs a moment\n", stderr), TRY_AGAIN;
    }
    rw_text name = rw_json_text(participant, "name"), joined_at = rw_json_text(participant, "joinedAt");
    if (name.len == 0) name = identity;
    rw_text room_name = rw_json_text(room, "name"), metadata = rw_json_text(participant, "metadata");
    fprintf(stderr, "INFO:greeter:greeting %.*s in %.*s, attempt %.*s\n", ARG(name), ARG(room_name), ARG(attempt));
    if (metadata.len > 0 && !rw_json_valid(metadata)) {
        return fprintf(stderr, "the metadata of %.*s is no JSON\n", ARG(identity)), NEVER;
    }
    const char *subject = getenv("subject");
    if (!subject) return fputs("set `config.subject`\n", stderr), NEVER;
    char *text = NULL;
    int len = asprintf(&text, "%s, %.*s", greeting(metadata), ARG(name));
    if (len < 0) CRASH("no memory\n");
    printf("{\"publish\":{\"subject\":"), put((rw_text){subject, strlen(subject)});
    printf(",\"data\":"), put((rw_text){text, (size_t)len});
    printf(",\"headers\":{\"event-id\":"), put(rw_json_text(event, "id"));
    printf(",\"identity\":"), put(identity);
    printf(",\"joined-at\":"), put(joined_at);
    printf("}}}\n");
    return 0;
}

int main(void) {
    rw_text event = read_all();
    return is(rw_json_text(event, "kind"), "roomwire.check") ? check() : handle(event);
}
