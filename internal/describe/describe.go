// Package describe names a credential's source for logs and errors.
package describe

import "fmt"

// Of returns what v says of itself by its method Describe() string, as a credentials.Describer
// does; without that method it is v's Go type.
func Of(v any) string {
	if d, ok := v.(interface{ Describe() string }); ok {
		return d.Describe()
	}
	return fmt.Sprintf("%T", v)
}
