//go:build !wasip1

package host

// What tests set and find.
var (
	Configured = map[string]string{}
	Answer     func(subject string) (Failed, string)
	Logged     []string
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

// Log adds to Logged.
func Log(level Level, name, message string) {
	names := []string{"trace", "debug", "info", "warn", "error", "critical"}
	Logged = append(Logged, names[level]+" "+name+" "+message)
}
