package host

import "testing"

func TestEachErrorOfHTTPSaysWhatToDoOrWhatHappened(t *testing.T) {
	for _, row := range []struct {
		code uint8
		text string
		want HTTPFailed
	}{
		{15, "", HTTPFailed{"http://a is not granted; add it to the handler's `allow.http`", true}},
		{4, "", HTTPFailed{"the address of http://a is not granted; add the address to the handler's `allow.http`, or its network to `allow.networks`", true}},
		{38, "too many", HTTPFailed{"too many", true}},
		{38, "", HTTPFailed{"internal error", false}},
		{6, "", HTTPFailed{"connection refused", false}},
		{1, "NXDOMAIN", HTTPFailed{"no address of http://a: NXDOMAIN", false}},
		{28, "", HTTPFailed{"HTTP response body size", true}},
		{99, "", HTTPFailed{"error 99", false}},
	} {
		if got := *httpFailed("http://a", row.code, row.text); got != row.want {
			t.Errorf("%d: %+v", row.code, got)
		}
	}
}

func TestTheCodesAreThoseOfWASI(t *testing.T) {
	for code, name := range map[int]string{
		codeDNS: "DNS error", codeIPProhibited: "destination IP prohibited", codeDenied: "HTTP request denied",
		codeBody: "HTTP request body size", codeMethod: "HTTP request method invalid", codeURI: "HTTP request URI invalid",
		codeURITooLong: "HTTP request URI too long", codeAnswer: "HTTP response body size", codeInternal: "internal error",
	} {
		if codes[code] != name {
			t.Errorf("%d is %s", code, codes[code])
		}
	}
}
