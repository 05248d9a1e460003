// Secrets, LiveKit's API, and requests that leave after the commit.

#include "calls.h"

#include "bindings.h"
#include "rules.h"

rw_outcome rw_send(rw_request request) {
    roomwire_plugin_effects_request_t effect = {
        .method = rw_lent(request.method), .url = rw_lent(request.url),
        .headers = rw_pairs(request.headers, request.header_count), .body = rw_bytes(request.body)};
    roomwire_plugin_effects_error_t error;
    return roomwire_plugin_effects_send(&effect, &error) ? rw_done() : rw_not_taken(error);
}

rw_outcome rw_secret(const char *name, rw_text *value) {
    plugin_string_t text = rw_lent(rw_of(name)), found;
    roomwire_plugin_secrets_error_t error;
    if (roomwire_plugin_secrets_get(&text, &found, &error)) {
        *value = rw_from(found);
        return rw_done();
    }
    switch (error.tag) {
    case ROOMWIRE_PLUGIN_SECRETS_ERROR_DENIED:
        return rw_permanent("the secret `%s` is not granted; add it to the handler's `secrets`", name);
    case ROOMWIRE_PLUGIN_SECRETS_ERROR_NOT_FOUND:
        return rw_permanent("there is no secret `%s`; add it to `secrets` at the top of the file", name);
    default: return rw_permanent("cannot read the secret `%s`: %.*s", name, RW_ARG(rw_from(error.val.other)));
    }
}

rw_outcome rw_livekit(const char *service, const char *method, rw_text request, rw_text *answer, rw_text *code) {
    plugin_string_t of = rw_lent(rw_of(service)), name = rw_lent(rw_of(method)), json = rw_lent(request), text;
    roomwire_plugin_livekit_error_t error;
    if (code) *code = rw_of("");
    if (roomwire_plugin_livekit_call(&of, &name, &json, &text, &error)) {
        *answer = rw_from(text);
        return rw_done();
    }
    switch (error.tag) {
    case ROOMWIRE_PLUGIN_LIVEKIT_ERROR_DENIED: return rw_permanent("%.*s", RW_ARG(rw_from(error.val.denied)));
    case ROOMWIRE_PLUGIN_LIVEKIT_ERROR_TWIRP:
        if (code) *code = rw_from(error.val.twirp.f0);
        return rw_livekit_refused(service, method, rw_from(error.val.twirp.f0), rw_from(error.val.twirp.f1));
    case ROOMWIRE_PLUGIN_LIVEKIT_ERROR_UNAVAILABLE:
        return rw_retry(0, "%s/%s: %.*s", service, method, RW_ARG(rw_from(error.val.unavailable)));
    default: return rw_permanent("%s/%s: %.*s", service, method, RW_ARG(rw_from(error.val.other)));
    }
}
