package roomwire

import (
	"context"
	"log/slog"
	"strings"

	"roomwire/internal/host"
)

// LogHandler writes the records of log/slog to the runner's log and the record of the attempt: the message, then the
// attributes as key=value.
type LogHandler struct {
	name   string
	attrs  string
	prefix string
}

// NewLogHandler makes one; name is the context of its lines. Export has set one as the default.
func NewLogHandler(name string) *LogHandler { return &LogHandler{name: name} }

// Enabled is true: what is written is the runner's to choose.
func (h *LogHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes one line.
func (h *LogHandler) Handle(_ context.Context, record slog.Record) error {
	var line strings.Builder
	line.WriteString(record.Message)
	line.WriteString(h.attrs)
	record.Attrs(func(attr slog.Attr) bool {
		write(&line, h.prefix, attr)
		return true
	})
	host.Log(level(record.Level), h.name, line.String())
	return nil
}

// WithAttrs is a handler whose lines have these attributes, too.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	line := strings.Builder{}
	line.WriteString(h.attrs)
	for _, attr := range attrs {
		write(&line, h.prefix, attr)
	}
	return &LogHandler{h.name, line.String(), h.prefix}
}

// WithGroup is a handler whose further attributes are named under a group.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &LogHandler{h.name, h.attrs, h.prefix + name + "."}
}

func write(line *strings.Builder, prefix string, attr slog.Attr) {
	value := attr.Value.Resolve()
	if attr.Equal(slog.Attr{}) {
		return
	}
	if value.Kind() == slog.KindGroup {
		if attr.Key != "" {
			prefix += attr.Key + "."
		}
		for _, inner := range value.Group() {
			write(line, prefix, inner)
		}
		return
	}
	line.WriteString(" " + prefix + attr.Key + "=" + value.String())
}

func level(level slog.Level) host.Level {
	switch {
	case level >= slog.LevelError+4:
		return host.Critical
	case level >= slog.LevelError:
		return host.Error
	case level >= slog.LevelWarn:
		return host.Warn
	case level >= slog.LevelInfo:
		return host.Info
	case level >= slog.LevelDebug:
		return host.Debug
	default:
		return host.Trace
	}
}
