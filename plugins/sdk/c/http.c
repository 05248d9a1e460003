// From a request to its answer, over wasi:http.

#include <stdlib.h>
#include <string.h>

#include "bindings.h"
#include "rules.h"

// Bytes of one write to a body: what blocking-write-and-flush takes.
#define WRITE (4u << 10)

// Bytes of one read of a body.
#define READ (64u << 10)

typedef wasi_http_types_error_code_t error_code;

static rw_outcome failed(rw_text to, const rw_url *url, const error_code *code) {
    rw_text said = rw_of("");
    plugin_option_string_t with = {false, {NULL, 0}};
    if (code->tag == WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR) with = code->val.dns_error.rcode;
    if (code->tag == WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR) with = code->val.internal_error;
    if (with.is_some) said = rw_from(with.val);
    return rw_http_failed(to, url->origin, code->tag, said);
}

static wasi_http_types_method_t method(rw_text name) {
    static const struct {
        const char *name;
        uint8_t tag;
    } KNOWN[] = {
        {"GET", WASI_HTTP_TYPES_METHOD_GET},       {"HEAD", WASI_HTTP_TYPES_METHOD_HEAD},
        {"POST", WASI_HTTP_TYPES_METHOD_POST},     {"PUT", WASI_HTTP_TYPES_METHOD_PUT},
        {"DELETE", WASI_HTTP_TYPES_METHOD_DELETE}, {"OPTIONS", WASI_HTTP_TYPES_METHOD_OPTIONS},
        {"PATCH", WASI_HTTP_TYPES_METHOD_PATCH},
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        if (rw_is(name, KNOWN[i].name)) return (wasi_http_types_method_t){.tag = KNOWN[i].tag};
    }
    return (wasi_http_types_method_t){.tag = WASI_HTTP_TYPES_METHOD_OTHER, .val = {rw_lent(name)}};
}

// What is wrong with the body is said by the answer.
static void write_body(wasi_http_types_own_outgoing_body_t outgoing, rw_text body) {
    wasi_http_types_own_output_stream_t stream;
    error_code said_by_the_answer;
    if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(outgoing), &stream)) return;
    bool written = true;
    for (size_t at = 0; at < body.len && written; at += WRITE) {
        plugin_list_u8_t piece = {(uint8_t *)body.data + at, body.len - at < WRITE ? body.len - at : WRITE};
        wasi_io_streams_stream_error_t error;
        written = wasi_io_streams_method_output_stream_blocking_write_and_flush(
            wasi_io_streams_borrow_output_stream(stream), &piece, &error);
    }
    wasi_io_streams_output_stream_drop_own(stream);
    if (written) wasi_http_types_static_outgoing_body_finish(outgoing, NULL, &said_by_the_answer);
}

static rw_outcome begin(const rw_request *request, const rw_url *url, rw_text to,
                        wasi_http_types_own_future_incoming_response_t *future) {
    wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
    for (size_t i = 0; i < request->header_count; i++) {
        plugin_string_t name = rw_lent(request->headers[i].name);
        wasi_http_types_field_value_t value = {(uint8_t *)request->headers[i].value.data, request->headers[i].value.len};
        wasi_http_types_header_error_t error;
        if (!wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &name, &value, &error)) {
            return rw_permanent("%.*s: header `%.*s` is not allowed", RW_ARG(to), RW_ARG(request->headers[i].name));
        }
    }
    wasi_http_types_own_outgoing_request_t outgoing = wasi_http_types_constructor_outgoing_request(fields);
    wasi_http_types_borrow_outgoing_request_t to_set = wasi_http_types_borrow_outgoing_request(outgoing);
    wasi_http_types_method_t verb = method(request->method);
    wasi_http_types_scheme_t scheme = {.tag = url->secure ? WASI_HTTP_TYPES_SCHEME_HTTPS : WASI_HTTP_TYPES_SCHEME_HTTP};
    plugin_string_t authority = rw_lent(url->authority), path = rw_lent(url->path);
    const char *wrong = NULL;
    if (!wasi_http_types_method_outgoing_request_set_method(to_set, &verb)) wrong = "method";
    else if (!wasi_http_types_method_outgoing_request_set_scheme(to_set, &scheme)) wrong = "scheme";
    else if (!wasi_http_types_method_outgoing_request_set_authority(to_set, &authority)) wrong = "host";
    else if (!wasi_http_types_method_outgoing_request_set_path_with_query(to_set, &path)) wrong = "path";
    if (wrong) return rw_permanent("%.*s: the %s is not valid", RW_ARG(to), wrong);
    wasi_http_types_own_outgoing_body_t body;
    error_code code;
    if (!wasi_http_types_method_outgoing_request_body(to_set, &body)) {
        return rw_permanent("%.*s: the body is not valid", RW_ARG(to));
    }
    if (!wasi_http_outgoing_handler_handle(outgoing, NULL, future, &code)) return failed(to, url, &code);
    write_body(body, request->body);
    return rw_done();
}

static rw_outcome read_body(wasi_http_types_own_incoming_body_t incoming, rw_text to, rw_text *body) {
    wasi_http_types_own_input_stream_t stream;
    char *data = NULL;
    size_t len = 0;
    if (!wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(incoming), &stream)) {
        return rw_retry(0, "%.*s: an answer without a body", RW_ARG(to));
    }
    for (;;) {
        plugin_list_u8_t piece;
        wasi_io_streams_stream_error_t error;
        if (!wasi_io_streams_method_input_stream_blocking_read(wasi_io_streams_borrow_input_stream(stream), READ, &piece,
                                                               &error)) {
            wasi_io_streams_input_stream_drop_own(stream);
            *body = len ? (rw_text){data, len} : rw_of("");
            return error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED
                       ? rw_done()
                       : rw_retry(0, "%.*s: the answer ended early", RW_ARG(to));
        }
        if (piece.len == 0) continue;
        data = realloc(data, len + piece.len);
        if (!data) abort();
        memcpy(data + len, piece.ptr, piece.len);
        len += piece.len;
        plugin_list_u8_free(&piece);
    }
}

static rw_outcome read_answer(wasi_http_types_own_incoming_response_t incoming, rw_text to, rw_response *response) {
    wasi_http_types_borrow_incoming_response_t answer = wasi_http_types_borrow_incoming_response(incoming);
    response->status = wasi_http_types_method_incoming_response_status(answer);
    wasi_http_types_own_headers_t headers = wasi_http_types_method_incoming_response_headers(answer);
    wasi_http_types_list_tuple2_field_name_field_value_t entries;
    wasi_http_types_method_fields_entries(wasi_http_types_borrow_fields(headers), &entries);
    wasi_http_types_fields_drop_own(headers);
    response->header_count = entries.len;
    response->headers = calloc(entries.len ? entries.len : 1, sizeof *response->headers);
    if (!response->headers) abort();
    for (size_t i = 0; i < entries.len; i++) {
        wasi_http_types_field_value_t value = entries.ptr[i].f1;
        response->headers[i] = (rw_header){rw_from(entries.ptr[i].f0), {(const char *)value.ptr, value.len}};
    }
    wasi_http_types_own_incoming_body_t body;
    if (!wasi_http_types_method_incoming_response_consume(answer, &body)) {
        return rw_retry(0, "%.*s: an answer without a body", RW_ARG(to));
    }
    rw_outcome ended = read_body(body, to, &response->body);
    wasi_http_types_incoming_body_drop_own(body);
    wasi_http_types_incoming_response_drop_own(incoming);
    return ended;
}

rw_outcome rw_fetch(rw_request request, rw_response *response) {
    rw_url url;
    if (!rw_url_split(request.url, &url)) {
        return rw_permanent("%.*s: the URL does not start with `http://` or `https://`", RW_ARG(request.method));
    }
    // Without the path, in which there may be what nobody else should read.
    rw_text to = rw_format("%.*s %.*s", RW_ARG(request.method), RW_ARG(url.origin));
    wasi_http_types_own_future_incoming_response_t future;
    rw_outcome begun = begin(&request, &url, to, &future);
    if (begun.end != RW_DONE) return begun;
    wasi_http_types_borrow_future_incoming_response_t coming = wasi_http_types_borrow_future_incoming_response(future);
    wasi_http_types_own_pollable_t ready = wasi_http_types_method_future_incoming_response_subscribe(coming);
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
    wasi_io_poll_pollable_drop_own(ready);
    wasi_http_types_result_result_own_incoming_response_error_code_void_t come;
    if (!wasi_http_types_method_future_incoming_response_get(coming, &come) || come.is_err) {
        return rw_retry(0, "%.*s: no answer", RW_ARG(to));
    }
    wasi_http_types_future_incoming_response_drop_own(future);
    if (come.val.ok.is_err) return failed(to, &url, &come.val.ok.val.err);
    return read_answer(come.val.ok.val.ok, to, response);
}
