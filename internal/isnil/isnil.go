// Package isnil detects nil pointers in interface values.
package isnil

import "reflect"

// Value reports whether v is nil, or an interface with a nil pointer, func, map, slice or channel,
// such as the result of a constructor whose error was ignored. It uses reflection: call it in
// constructors, not on the read path.
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
