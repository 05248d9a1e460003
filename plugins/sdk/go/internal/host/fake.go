//go:build !wasip1

package host

// What tests set and find.
var (
	Configured = map[string]string{}
	Answer     func(subject string) (Failed, string)
	Logged     []string
	Secrets    = map[string]string{}
	// Answered is what LiveKit answers, Exchanged what others do.
	Answered  func(service, method, request string) (string, LiveKitFailed)
	Exchanged func(HTTPRequest) (*HTTPResponse, *HTTPFailed)
)

// Export does nothing: nobody calls.
func Export(func(Event) Outcome, func() error) {}

// Config looks into Configured.
func Config(key string) (string, bool) {
	value, ok := Configured[key]
	return value, ok
}

// Publish asks Answer.
func Publish(subject string, _ []byte, _ [][2]string) (Failed, string) { return Answer(subject) }

// Send asks Answer, with the URL.
func Send(_, url string, _ [][2]string, _ []byte) (Failed, string) { return Answer(url) }

// Secret looks into Secrets.
func Secret(name string) (string, SecretFailed, string) {
	value, ok := Secrets[name]
	if !ok {
		return "", SecretDenied, ""
	}
	return value, SecretFine, ""
}

// LiveKit asks Answered.
func LiveKit(service, method, request string) (string, LiveKitFailed) {
	return Answered(service, method, request)
}

// Exchange asks Exchanged.
func Exchange(request HTTPRequest) (*HTTPResponse, *HTTPFailed) { return Exchanged(request) }

// Log adds to Logged.
func Log(level Level, name, message string) {
	names := []string{"trace", "debug", "info", "warn", "error", "critical"}
	Logged = append(Logged, names[level]+" "+name+" "+message)
}
