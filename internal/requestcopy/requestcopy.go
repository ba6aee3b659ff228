// Package requestcopy repairs what http.Request.WithContext hides. Routers and handlers set the
// matched pattern, path values and the parsed form on the request they get. If that is a copy,
// middleware further out does not see them, and net/http's server does not remove the temporary
// files of a multipart form.
package requestcopy

import (
	"net/http"
	"strings"
)

// HandBack copies from inner to outer what a router or a handler has set on inner: the pattern, the
// values of the pattern's wildcards, and the parsed form. inner is a copy of outer made by
// WithContext. Path values that are not in the pattern are not copied, because net/http offers no
// way to list them. Without anything to copy it allocates nothing.
func HandBack(outer, inner *http.Request) {
	if inner.Pattern != outer.Pattern {
		outer.Pattern = inner.Pattern
		for rest := inner.Pattern; ; {
			var name string
			if name, rest = wildcard(rest); name == "" {
				break
			}
			outer.SetPathValue(name, inner.PathValue(name))
		}
	}
	if inner.Form != nil {
		outer.Form, outer.PostForm = inner.Form, inner.PostForm
	}
	if inner.MultipartForm != nil {
		outer.MultipartForm = inner.MultipartForm
	}
}

// wildcard returns the name of the first wildcard in a ServeMux pattern, and what follows it. The
// name is "" if there is none. Braces stand nowhere else in a pattern, and {$} has no value.
func wildcard(pattern string) (name, rest string) {
	for {
		_, after, found := strings.Cut(pattern, "{")
		if !found {
			return "", ""
		}
		inside, rest, found := strings.Cut(after, "}")
		if !found {
			return "", ""
		}
		if name := strings.TrimSuffix(inside, "..."); name != "" && name != "$" {
			return name, rest
		}
		pattern = rest
	}
}
