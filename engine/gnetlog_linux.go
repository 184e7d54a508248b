package engine

import (
	"fmt"
	"log/slog"
)

// gnetLogger is a slog.Logger as gnet's packages want it.
type gnetLogger struct{ log *slog.Logger }

func (l gnetLogger) Debugf(format string, args ...any) { l.log.Debug(gnetText(format, args)) }
func (l gnetLogger) Infof(format string, args ...any)  { l.log.Info(gnetText(format, args)) }
func (l gnetLogger) Warnf(format string, args ...any)  { l.log.Warn(gnetText(format, args)) }
func (l gnetLogger) Errorf(format string, args ...any) { l.log.Error(gnetText(format, args)) }

// Fatalf must not end the process: that is for the application to decide.
func (l gnetLogger) Fatalf(format string, args ...any) { l.log.Error(gnetText(format, args)) }

func gnetText(format string, args []any) string { return "gnet: " + fmt.Sprintf(format, args...) }
