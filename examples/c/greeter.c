// Greets everybody who joins a room, in their language, a moment after they came.

#include "roomwire.h"

#define KEY(name) (rw_text){name, sizeof(name) - 1}

// config.delay_ms, how long to wait before the greeting; what is wrong with it, or an empty text.
static rw_text delay(uint32_t *ms) {
    rw_text text;
    *ms = 0;
    if (!rw_config(KEY("delay_ms"), &text)) return KEY("");
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || text.len > 9) {
            return rw_format("`config.delay_ms` is \"%.*s\", which is no number of milliseconds", RW_ARG(text));
        }
        *ms = *ms * 10 + (uint32_t)(text.data[i] - '0');
    }
    return KEY("");
}

// config.greeting_<language>, where the metadata names a language, else config.greeting.
static rw_text greeting(rw_text metadata) {
    rw_text text, language = rw_json_text(metadata, "language");
    if (language.len > 0 && rw_config(rw_format("greeting_%.*s", RW_ARG(language)), &text)) return text;
    return rw_config(KEY("greeting"), &text) ? text : KEY("welcome");
}

rw_outcome rw_handle(const rw_event *event) {
    if (!rw_is(event->kind, "participant_joined")) return rw_skipped("nobody joined");
    rw_text participant, room, subject, wrong;
    if (!rw_json_find(event->json, "participant", &participant)) return rw_permanent("no participant in the event");
    rw_text identity = rw_json_text(participant, "identity"), kind = rw_json_text(participant, "kind");
    if (kind.len > 0 && !rw_is(kind, "STANDARD")) {
        rw_log(RW_DEBUG, "greeter", "%.*s is no person", RW_ARG(identity));
        return rw_skipped("%.*s is not greeted", RW_ARG(kind));
    }
    if (!rw_json_find(event->json, "room", &room)) rw_crash("participant_joined without a room");
    uint32_t wait;
    wrong = delay(&wait);
    if (wrong.len > 0) return rw_permanent("%.*s", RW_ARG(wrong));
    if (event->attempt == 1 && wait > 0) return rw_retry(wait, "the client needs a moment");
    rw_text name = rw_json_text(participant, "name"), joined_at = rw_json_text(participant, "joinedAt");
    if (name.len == 0) name = identity;
    rw_log(RW_INFO, "greeter", "greeting %.*s in %.*s, attempt %u", RW_ARG(name), RW_ARG(event->room), event->attempt);
    rw_text metadata = rw_json_text(participant, "metadata");
    if (metadata.len > 0 && !rw_json_valid(metadata)) {
        return rw_permanent("the metadata of %.*s is no JSON", RW_ARG(identity));
    }
    if (!rw_config(KEY("subject"), &subject)) return rw_permanent("set `config.subject`");
    rw_header headers[] = {
        {KEY("event-id"), event->id},
        {KEY("identity"), identity},
        {KEY("joined-at"), joined_at.len > 0 ? joined_at : KEY("0")},
    };
    rw_text text = rw_format("%.*s, %.*s", RW_ARG(greeting(metadata)), RW_ARG(name));
    return rw_publish(subject, text, headers, sizeof headers / sizeof *headers);
}

// Before the handler goes live: what is wrong in its config?
rw_text rw_check(void) {
    rw_text subject;
    uint32_t wait;
    return rw_config(KEY("subject"), &subject) ? delay(&wait) : KEY("set `config.subject`");
}
