// Package logging shows the checker's log lines in zap, zerolog and logrus. The checker takes a
// slog.Logger; each of these libraries has a handler for it.
//
//	health.WithLogger(slog.New(zapslog.NewHandler(zapLogger.Core())))   // go.uber.org/zap/exp
//	health.WithLogger(slog.New(zerolog.NewSlogHandler(zerologLogger)))  // zerolog 1.35 or later
//	health.WithLogger(slog.New(logging.NewLogrusHandler(logrusLogger))) // copy logrus.go
//
// A field such as latency_ms is a number. A group of the service's logger (WithGroup) is an object
// in zap, and a prefix with a dot in zerolog and in NewLogrusHandler. zerolog 1.35 also adds the
// prefix to the attributes from before WithGroup: put those into the zerolog.Logger.
package logging
