package requester

import (
	"runtime/debug"
	"strings"
	"sync"
)

const modulePath = "github.com/tolokacheck/tolokacheck"

// ownProduct is this library's part of the User-Agent header. It cannot change while the
// program runs.
var ownProduct = sync.OnceValue(func() string {
	info, _ := debug.ReadBuildInfo()
	return productOf(info)
})

// productOf names the version of this module that was linked in: of a user's program it is
// a dependency, of the examples the main module. info may be nil.
func productOf(info *debug.BuildInfo) string {
	version := ""
	if info != nil {
		modules := append([]*debug.Module{&info.Main}, info.Deps...)
		for _, m := range modules {
			if m.Path == modulePath {
				version = strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	if version == "" || version == "(devel)" {
		version = "devel"
	}
	return "tolokacheck/" + version + " (+" + modulePath + ")"
}
