// What URLs and refusals mean: rules without the host, for the library's own files and their tests.
#ifndef ROOMWIRE_RULES_H
#define ROOMWIRE_RULES_H

#include "calls.h"

// A URL, taken apart. The origin is whom it goes to, as allow.http has it.
typedef struct {
    bool secure;
    rw_text origin, authority, path;
} rw_url;

// False where it is neither http nor https.
bool rw_url_split(rw_text url, rw_url *parts);

// What a case of wasi:http's error-code, by its number, means for a request: `said` is the text that came with it, `to` the
// method and the origin.
rw_outcome rw_http_failed(rw_text to, rw_text origin, uint8_t code, rw_text said);

// What a refusal of LiveKit with Twirp's `code` means.
rw_outcome rw_livekit_refused(const char *service, const char *method, rw_text code, rw_text message);

#endif
