package logging

import (
	"context"
	"log/slog"
	"maps"

	"github.com/sirupsen/logrus"
)

// LogrusHandler is a slog.Handler that writes to a logrus.Logger. Attributes become fields; a group
// is a prefix of its fields' names, with a dot.
type LogrusHandler struct {
	logger *logrus.Logger
	prefix string
	fields logrus.Fields // never modified
}

var _ slog.Handler = (*LogrusHandler)(nil)

// NewLogrusHandler returns a handler that writes to logger.
func NewLogrusHandler(logger *logrus.Logger) *LogrusHandler {
	return &LogrusHandler{logger: logger}
}

// Enabled reports whether the logger writes lines of this level.
func (h *LogrusHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.logger.IsLevelEnabled(logrusLevel(level))
}

// Handle writes one line with the time of the record.
func (h *LogrusHandler) Handle(ctx context.Context, record slog.Record) error {
	fields := maps.Clone(h.fields)
	if fields == nil {
		fields = logrus.Fields{}
	}
	record.Attrs(func(attr slog.Attr) bool {
		addField(fields, h.prefix, attr)
		return true
	})
	h.logger.WithContext(ctx).WithTime(record.Time).WithFields(fields).
		Log(logrusLevel(record.Level), record.Message)
	return nil
}

// WithAttrs returns a handler that adds attrs to each line.
func (h *LogrusHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	fields := maps.Clone(h.fields)
	if fields == nil {
		fields = logrus.Fields{}
	}
	for _, attr := range attrs {
		addField(fields, h.prefix, attr)
	}
	return &LogrusHandler{logger: h.logger, prefix: h.prefix, fields: fields}
}

// WithGroup returns a handler that puts the attributes added from now on into a group.
func (h *LogrusHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &LogrusHandler{logger: h.logger, prefix: h.prefix + name + ".", fields: h.fields}
}

func addField(fields logrus.Fields, prefix string, attr slog.Attr) {
	value := attr.Value.Resolve()
	switch {
	case value.Kind() == slog.KindGroup && attr.Key == "":
		for _, member := range value.Group() {
			addField(fields, prefix, member)
		}
	case value.Kind() == slog.KindGroup:
		for _, member := range value.Group() {
			addField(fields, prefix+attr.Key+".", member)
		}
	case attr.Key != "":
		fields[prefix+attr.Key] = value.Any()
	}
}

func logrusLevel(level slog.Level) logrus.Level {
	switch {
	case level >= slog.LevelError:
		return logrus.ErrorLevel
	case level >= slog.LevelWarn:
		return logrus.WarnLevel
	case level >= slog.LevelInfo:
		return logrus.InfoLevel
	default:
		return logrus.DebugLevel
	}
}
