// Command k6 is k6 with the module k6/x/millrace.
package main

import (
	"os"

	"go.k6.io/k6/cmd"

	_ "millrace.dev/loadtest/k6/module"
)

func main() {
	// All that a script may import is compiled in: k6 asks nobody for more.
	os.Setenv("K6_AUTO_EXTENSION_RESOLUTION", "false")
	os.Setenv("K6_NO_USAGE_REPORT", "true")
	cmd.Execute()
}
