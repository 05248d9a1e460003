package host

import "fmt"

// HTTPRequest is a request to somebody else.
type HTTPRequest struct {
	Method string
	// Secure is https.
	Secure          bool
	Authority, Path string
	Headers         [][2]string
	Body            []byte
}

// Origin is whom it goes to, as allow.http has it.
func (r HTTPRequest) Origin() string {
	if r.Secure {
		return "https://" + r.Authority
	}
	return "http://" + r.Authority
}

// HTTPResponse is the whole answer.
type HTTPResponse struct {
	Status  int
	Headers [][2]string
	Body    []byte
}

// HTTPFailed is why there is no answer, and whether another attempt would end in the same way.
type HTTPFailed struct {
	Why       string
	Permanent bool
}

// codes are the cases of wasi:http's error-code, in its order.
var codes = [...]string{
	"DNS timeout", "DNS error", "destination not found", "destination unavailable", "destination IP prohibited",
	"destination IP unroutable", "connection refused", "connection terminated", "connection timeout",
	"connection read timeout", "connection write timeout", "connection limit reached", "TLS protocol error",
	"TLS certificate error", "TLS alert received", "HTTP request denied", "HTTP request length required",
	"HTTP request body size", "HTTP request method invalid", "HTTP request URI invalid", "HTTP request URI too long",
	"HTTP request header section size", "HTTP request header size", "HTTP request trailer section size",
	"HTTP request trailer size", "HTTP response incomplete", "HTTP response header section size",
	"HTTP response header size", "HTTP response body size", "HTTP response trailer section size",
	"HTTP response trailer size", "HTTP response transfer coding", "HTTP response content coding",
	"HTTP response timeout", "HTTP upgrade failed", "HTTP protocol error", "loop detected", "configuration error",
	"internal error",
}

// The codes that mean more than their names.
const (
	codeDNS          = 1
	codeIPProhibited = 4
	codeDenied       = 15
	codeBody         = 17
	codeMethod       = 18
	codeURI          = 19
	codeURITooLong   = 20
	codeAnswer       = 28
	codeInternal     = 38
)

// httpFailed says what a code of wasi:http means for a request to this origin; text is what came with it.
func httpFailed(origin string, code uint8, text string) *HTTPFailed {
	name := fmt.Sprintf("error %d", code)
	if int(code) < len(codes) {
		name = codes[code]
	}
	switch code {
	case codeDenied:
		return &HTTPFailed{origin + " is not granted; add it to the handler's `allow.http`", true}
	case codeIPProhibited:
		return &HTTPFailed{"the address of " + origin + " is not granted; add the address to the handler's `allow.http`, or its " +
			"network to `allow.networks`", true}
	case codeBody:
		return &HTTPFailed{"the body is too large, or not as long as it says", true}
	case codeMethod, codeURI, codeURITooLong, codeAnswer:
		return &HTTPFailed{name, true}
	case codeInternal:
		if text != "" {
			return &HTTPFailed{text, true}
		}
	case codeDNS:
		if text != "" {
			return &HTTPFailed{"no address of " + origin + ": " + text, false}
		}
	}
	return &HTTPFailed{name, false}
}
