// What a handler asks of others while it runs: HTTP, LiveKit's API; and secrets, and requests that leave afterwards.
//
// These functions give RW_DONE, or the outcome to end with: what is not granted or not valid is a permanent failure in words
// that say what to add, and what may pass is a retry.
#ifndef ROOMWIRE_CALLS_H
#define ROOMWIRE_CALLS_H

#include "roomwire.h"

typedef struct {
    rw_text method, url;
    const rw_header *headers;
    size_t header_count;
    // At most 1 MiB for rw_fetch, 4 MiB for rw_send.
    rw_text body;
} rw_request;

typedef struct {
    uint16_t status;
    // Names in lower case, in order.
    rw_header *headers;
    size_t header_count;
    rw_text body;
} rw_response;

// Sends a request to an http or https URL that allow.http grants, and reads the whole answer, whatever its status: that
// (e.g. 503) is yours to judge. Redirects are answers, too. The host adds an Idempotency-Key that is the same on each attempt
// to what is no GET, HEAD or OPTIONS, and ends the exchange when the handler's timeout is over.
rw_outcome rw_fetch(rw_request request, rw_response *response);

// The first header of this name, in lower case; false where there is none.
bool rw_response_header(const rw_response *response, const char *name, rw_text *value);

// Text as one part of a URL's path or query: all but letters, digits and -._~ is escaped.
rw_text rw_url_part(rw_text text);

// Has the host send a request to a URL that allow.http grants, once the end of the event is committed: with the same bytes
// and the same Idempotency-Key until it is answered 2xx. Of a call that fails nothing leaves.
rw_outcome rw_send(rw_request request);

// A secret that the handler's `secrets` list.
rw_outcome rw_secret(const char *name, rw_text *value);

// Calls a method of LiveKit's API that allow.livekit grants, e.g. "RoomService" and "RemoveParticipant". The host signs: the
// API secret never enters a handler. Request and answer are JSON in protobuf's mapping. `code` may be NULL; where LiveKit
// refuses the call it is Twirp's word for why, e.g. not_found, and else empty.
rw_outcome rw_livekit(const char *service, const char *method, rw_text request, rw_text *answer, rw_text *code);

#endif
