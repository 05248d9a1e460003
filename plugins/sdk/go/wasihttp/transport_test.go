package wasihttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"roomwire/internal/host"
)

var client = http.Client{Transport: Transport{}}

func TestARequestOfNetHTTPIsTheHosts(t *testing.T) {
	host.Exchanged = func(request host.HTTPRequest) (*host.HTTPResponse, *host.HTTPFailed) {
		if request.Method != "POST" || request.Origin() != "https://a:8443" || request.Path != "/b%2Fc?d=%2F" ||
			string(request.Body) != "x" || len(request.Headers) != 1 || request.Headers[0] != [2]string{"content-type", "text/plain"} {
			t.Errorf("%+v", request)
		}
		return &host.HTTPResponse{Status: 201, Headers: [][2]string{{"x-a", "1"}, {"x-a", "2"}}, Body: []byte("made")}, nil
	}
	answer, err := client.Post("https://a:8443/b%2Fc?d=%2F#e", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if answer.StatusCode != 201 || answer.Header.Values("X-A")[1] != "2" || string(body) != "made" || err != nil {
		t.Fatal(answer, string(body), err)
	}
}

func TestRedirectsAreFollowed(t *testing.T) {
	host.Exchanged = func(request host.HTTPRequest) (*host.HTTPResponse, *host.HTTPFailed) {
		if request.Path == "/" {
			return &host.HTTPResponse{Status: 302, Headers: [][2]string{{"location", "/there"}}}, nil
		}
		return &host.HTTPResponse{Status: 200, Body: []byte(request.Path)}, nil
	}
	answer, err := client.Get("http://a")
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(answer.Body); string(body) != "/there" {
		t.Fatal(string(body))
	}
}

func TestWhatTheHostRefusesIsSaid(t *testing.T) {
	host.Exchanged = func(request host.HTTPRequest) (*host.HTTPResponse, *host.HTTPFailed) {
		return nil, &host.HTTPFailed{Why: request.Origin() + " is not granted", Permanent: true}
	}
	if _, err := client.Get("http://a/b"); err == nil || err.Error() != `Get "http://a/b": http://a is not granted` {
		t.Fatal(err)
	}
	if _, err := client.Get("ftp://a/b"); err == nil || !strings.Contains(err.Error(), "neither `http` nor `https`") {
		t.Fatal(err)
	}
}

func TestWhatIsGivenUpIsNotSent(t *testing.T) {
	host.Exchanged = func(host.HTTPRequest) (*host.HTTPResponse, *host.HTTPFailed) {
		t.Error("it was sent")
		return nil, &host.HTTPFailed{}
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	request, _ := http.NewRequestWithContext(gone, "GET", "http://a", nil)
	if _, err := client.Do(request); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
