package health_test

func runAsChild() bool { return false }
