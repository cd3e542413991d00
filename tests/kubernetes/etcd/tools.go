//go:build tools

// Package tools names the program that build.sh builds.
package tools

import _ "go.etcd.io/etcd/server/v3"
