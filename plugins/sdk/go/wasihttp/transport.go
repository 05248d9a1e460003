// Package wasihttp is outgoing HTTP through the host, as far as allow.http grants it, for net/http. To import it is enough:
//
//	import _ "roomwire/wasihttp"
//
// In a component it sets http.DefaultTransport, so http.Get, http.DefaultClient and every client without a Transport go
// through the host. Elsewhere, as in go test, it changes nothing. It is a package of its own because net/http makes a
// component larger and slower to start.
package wasihttp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"roomwire"
	"roomwire/internal/host"
)

// Transport is an http.RoundTripper over wasi:http. The host adds an Idempotency-Key that is the same on each attempt to
// what is no GET, HEAD or OPTIONS, takes bodies of at most 1 MiB, and ends the exchange when the handler's timeout is over;
// the request's context is looked at before it is sent.
//
// What is not granted or not valid is a permanent failure if Handle returns the error, also wrapped; any other error is tried
// again.
type Transport struct{}

// RoundTrip sends a request and reads the whole answer.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		defer request.Body.Close()
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
	}
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	secure := request.URL.Scheme == "https"
	if !secure && request.URL.Scheme != "http" {
		return nil, roomwire.Permanent(fmt.Sprintf("the scheme `%s` is neither `http` nor `https`", request.URL.Scheme))
	}
	method := request.Method
	if method == "" {
		method = http.MethodGet
	}
	answer, failed := host.Exchange(host.HTTPRequest{
		Method: method, Secure: secure, Authority: request.URL.Host, Path: request.URL.RequestURI(),
		Headers: pairs(request.Header), Body: body,
	})
	switch {
	case failed != nil && failed.Permanent:
		return nil, roomwire.Permanent(failed.Why)
	case failed != nil:
		return nil, roomwire.Retry(failed.Why, 0)
	}
	return response(request, answer), nil
}

func pairs(header http.Header) [][2]string {
	var pairs [][2]string
	for name, values := range header {
		for _, value := range values {
			pairs = append(pairs, [2]string{strings.ToLower(name), value})
		}
	}
	return pairs
}

func response(request *http.Request, answer *host.HTTPResponse) *http.Response {
	header := make(http.Header, len(answer.Headers))
	for _, pair := range answer.Headers {
		header.Add(pair[0], pair[1])
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status)),
		StatusCode: answer.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(answer.Body)),
		ContentLength: int64(len(answer.Body)),
		Request:       request,
	}
}
