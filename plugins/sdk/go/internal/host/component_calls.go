//go:build wasip1

package host

import (
	"roomwire/internal/wit/roomwire_plugin_effects"
	"roomwire/internal/wit/roomwire_plugin_livekit"
	"roomwire/internal/wit/roomwire_plugin_secrets"
	"roomwire/internal/wit/types"
)

// Send hands a request to the host, for after the commit.
func Send(method, url string, headers [][2]string, body []byte) (Failed, string) {
	return taken(roomwire_plugin_effects.Send(roomwire_plugin_effects.Request{
		Method: method, Url: url, Headers: pairs(headers), Body: body,
	}))
}

// Secret asks for a secret.
func Secret(name string) (string, SecretFailed, string) {
	found := roomwire_plugin_secrets.Get(name)
	if found.Tag() == types.ResultOk {
		return found.Ok(), SecretFine, ""
	}
	switch err := found.Err(); err.Tag() {
	case roomwire_plugin_secrets.ErrorDenied:
		return "", SecretDenied, ""
	case roomwire_plugin_secrets.ErrorNotFound:
		return "", NoSuchSecret, ""
	default:
		return "", SecretOther, err.Other()
	}
}

// LiveKit calls LiveKit's API.
func LiveKit(service, method, request string) (string, LiveKitFailed) {
	answered := roomwire_plugin_livekit.Call(service, method, request)
	if answered.Tag() == types.ResultOk {
		return answered.Ok(), LiveKitFailed{}
	}
	switch err := answered.Err(); err.Tag() {
	case roomwire_plugin_livekit.ErrorDenied:
		return "", LiveKitFailed{End: LiveKitDenied, Why: err.Denied()}
	case roomwire_plugin_livekit.ErrorTwirp:
		return "", LiveKitFailed{End: LiveKitRefused, Code: err.Twirp().F0, Why: err.Twirp().F1}
	case roomwire_plugin_livekit.ErrorUnavailable:
		return "", LiveKitFailed{End: LiveKitUnavailable, Why: err.Unavailable()}
	default:
		return "", LiveKitFailed{End: LiveKitOther, Why: err.Other()}
	}
}
