//go:build wasip1

package host

import (
	"roomwire/internal/wit/types"
	"roomwire/internal/wit/wasi_http_outgoing_handler"
	"roomwire/internal/wit/wasi_http_types"
	"roomwire/internal/wit/wasi_io_streams"
)

const (
	// writeSize is what one write of a body takes.
	writeSize = 4 << 10
	// readSize is what one read of a body asks for.
	readSize = 64 << 10
)

// Exchange sends a request and reads the whole answer.
func Exchange(request HTTPRequest) (*HTTPResponse, *HTTPFailed) {
	future, failed := begin(request)
	if failed != nil {
		return nil, failed
	}
	defer future.Drop()
	ready := future.Subscribe()
	ready.Block()
	ready.Drop()
	found := future.Get()
	if found.Tag() == types.OptionNone || found.Some().Tag() == types.ResultErr {
		return nil, &HTTPFailed{"no answer", false}
	}
	answer := found.Some().Ok()
	if answer.Tag() == types.ResultErr {
		return nil, codeFailed(request, answer.Err())
	}
	return read(answer.Ok())
}

func begin(request HTTPRequest) (*wasi_http_types.FutureIncomingResponse, *HTTPFailed) {
	fields := wasi_http_types.MakeFields()
	for _, header := range request.Headers {
		if fields.Append(header[0], []byte(header[1])).Tag() == types.ResultErr {
			return nil, &HTTPFailed{"header `" + header[0] + "` is not allowed", true}
		}
	}
	scheme := wasi_http_types.MakeSchemeHttp()
	if request.Secure {
		scheme = wasi_http_types.MakeSchemeHttps()
	}
	outgoing := wasi_http_types.MakeOutgoingRequest(fields)
	for what, set := range map[string]types.Result[types.Unit, types.Unit]{
		"method": outgoing.SetMethod(method(request.Method)),
		"scheme": outgoing.SetScheme(types.Some(scheme)),
		"host":   outgoing.SetAuthority(types.Some(request.Authority)),
		"path":   outgoing.SetPathWithQuery(types.Some(request.Path)),
	} {
		if set.Tag() == types.ResultErr {
			return nil, &HTTPFailed{"the " + what + " is not valid", true}
		}
	}
	body := outgoing.Body().Ok()
	begun := wasi_http_outgoing_handler.Handle(outgoing, types.None[*wasi_http_types.RequestOptions]())
	if begun.Tag() == types.ResultErr {
		return nil, codeFailed(request, begun.Err())
	}
	write(body, request.Body)
	return begun.Ok(), nil
}

// write hands over the body. What is wrong with it is said by the answer.
func write(outgoing *wasi_http_types.OutgoingBody, body []byte) {
	stream := outgoing.Write().Ok()
	for len(body) > 0 {
		piece := body[:min(len(body), writeSize)]
		body = body[len(piece):]
		if stream.BlockingWriteAndFlush(piece).Tag() == types.ResultErr {
			stream.Drop()
			outgoing.Drop()
			return
		}
	}
	stream.Drop()
	wasi_http_types.OutgoingBodyFinish(outgoing, types.None[*wasi_http_types.Fields]())
}

func read(response *wasi_http_types.IncomingResponse) (*HTTPResponse, *HTTPFailed) {
	defer response.Drop()
	answer := &HTTPResponse{Status: int(response.Status())}
	headers := response.Headers()
	for _, pair := range headers.Entries() {
		answer.Headers = append(answer.Headers, [2]string{pair.F0, string(pair.F1)})
	}
	headers.Drop()
	body := response.Consume().Ok()
	defer body.Drop()
	stream := body.Stream().Ok()
	defer stream.Drop()
	for {
		piece := stream.BlockingRead(readSize)
		if piece.Tag() == types.ResultOk {
			answer.Body = append(answer.Body, piece.Ok()...)
			continue
		}
		err := piece.Err()
		if err.Tag() == wasi_io_streams.StreamErrorClosed {
			return answer, nil
		}
		return nil, &HTTPFailed{"the answer ended early: " + err.LastOperationFailed().ToDebugString(), false}
	}
}

func method(name string) wasi_http_types.Method {
	switch name {
	case "GET":
		return wasi_http_types.MakeMethodGet()
	case "HEAD":
		return wasi_http_types.MakeMethodHead()
	case "POST":
		return wasi_http_types.MakeMethodPost()
	case "PUT":
		return wasi_http_types.MakeMethodPut()
	case "DELETE":
		return wasi_http_types.MakeMethodDelete()
	case "OPTIONS":
		return wasi_http_types.MakeMethodOptions()
	case "PATCH":
		return wasi_http_types.MakeMethodPatch()
	default:
		return wasi_http_types.MakeMethodOther(name)
	}
}

func codeFailed(request HTTPRequest, code wasi_http_types.ErrorCode) *HTTPFailed {
	var said string
	switch code.Tag() {
	case wasi_http_types.ErrorCodeInternalError:
		said = text(code.InternalError())
	case wasi_http_types.ErrorCodeDnsError:
		said = text(code.DnsError().Rcode)
	}
	return httpFailed(request.Origin(), code.Tag(), said)
}
