// Package redis stands in for the deprecated module k6/experimental/redis, which no script here
// imports: its client is the largest package of a build.
package redis

import (
	"errors"

	"go.k6.io/k6/js/common"
	"go.k6.io/k6/js/modules"
)

// RootModule refuses to be imported.
type RootModule struct{}

// New is what k6 calls.
func New() *RootModule {
	return &RootModule{}
}

// NewModuleInstance tells a script that the module was left out.
func (*RootModule) NewModuleInstance(vu modules.VU) modules.Instance {
	common.Throw(vu.Runtime(), errors.New("k6/experimental/redis is left out of this build of k6"))
	return nil
}
