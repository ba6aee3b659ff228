// Package isnil tells of an interface value whether there is anything behind it.
package isnil

import "reflect"

// Value reports whether v is nil, or a nil pointer, func, map, slice or channel in an interface: what an ignored error of a
// constructor leaves, and == nil does not see. It is for the time when things are wired, not for the read path.
func Value(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return r.IsNil()
	default:
		return false
	}
}
