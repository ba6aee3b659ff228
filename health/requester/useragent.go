package requester

import (
	"runtime/debug"
	"strings"
	"sync"
)

const modulePath = "github.com/tolokacheck/tolokacheck"

// ownProduct is this library's part of the User-Agent header.
var ownProduct = sync.OnceValue(func() string {
	info, _ := debug.ReadBuildInfo()
	return productOf(info)
})

// productOf names the linked version of this module: a dependency of a user's program, the main
// module of the examples. info may be nil.
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
