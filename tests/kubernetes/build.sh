#!/usr/bin/env bash
# Builds kube-apiserver, kube-controller-manager, kube-scheduler, etcd and kwok from the Go module
# proxy, once, into a folder keyed by their versions, and prints that folder as its last line.
#
#   $HANSE_KUBERNETES    the folder to use instead (built into if it lacks a program)
#   $KUBEBUILDER_ASSETS  used as it is if it holds all five programs
set -euo pipefail
# Relative folders are meant from where the caller stands.
[ -z "${HANSE_KUBERNETES:-}" ] || HANSE_KUBERNETES=$(realpath -m "$HANSE_KUBERNETES")
[ -z "${KUBEBUILDER_ASSETS:-}" ] || KUBEBUILDER_ASSETS=$(realpath -m "$KUBEBUILDER_ASSETS")
cd "$(dirname "$0")"

programs=(kube-apiserver kube-controller-manager kube-scheduler etcd kwok)
kubernetes=$(sed -n 's/^require k8s.io\/kubernetes v//p' control-plane/go.mod)
etcd=$(sed -n 's/.*go.etcd.io\/etcd\/server\/v3 v//p' etcd/go.mod)
kwok=$(sed -n 's/.*sigs.k8s.io\/kwok v//p' kwok/go.mod)

complete() { # complete FOLDER: does it hold every program?
  local p
  for p in "${programs[@]}"; do [ -x "$1/$p" ] || return 1; done
}

if [ -z "${HANSE_KUBERNETES:-}" ] && [ -n "${KUBEBUILDER_ASSETS:-}" ] && complete "$KUBEBUILDER_ASSETS"; then
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

folder=${HANSE_KUBERNETES:-${XDG_CACHE_HOME:-$HOME/.cache}/hanse/kubernetes-$kubernetes-etcd-$etcd-kwok-$kwok}
if complete "$folder"; then
  echo "$folder"
  exit 0
fi
command -v go >/dev/null || { echo "error: building Kubernetes for tests needs Go 1.26 or later; hint: install Go, or set KUBEBUILDER_ASSETS to a folder that holds ${programs[*]}" >&2; exit 1; }

mkdir -p "$folder"
# One builder at a time; a second one waits and finds the work done.
exec 9>"$folder/.lock"
flock 9
if complete "$folder"; then
  echo "$folder"
  exit 0
fi

rm -rf "$folder"/.build.* # what an interrupted build left
scratch=$(mktemp -d "$folder/.build.XXXXXX")
trap 'chmod -R u+w "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
export CGO_ENABLED=0 GOCACHE="$scratch/cache" GOFLAGS="-trimpath -buildvcs=false"

# build MODULE LDFLAGS PACKAGE...: a program is moved into the folder only when it is whole.
build() {
  local module=$1 ldflags=$2
  shift 2
  local started=$SECONDS
  echo "building $module (first time only) …" >&2
  (cd "$module" && go build -ldflags "$ldflags" -o "$scratch/" "$@")
  echo "built $module in $((SECONDS - started)) s" >&2
}

version=k8s.io/component-base/version
minor=${kubernetes#*.}
build etcd "-s -w" go.etcd.io/etcd/server/v3
mv "$scratch/v3" "$scratch/etcd" 2>/dev/null || mv "$scratch/server" "$scratch/etcd"
build kwok "-s -w" sigs.k8s.io/kwok/cmd/kwok
build control-plane \
  "-s -w -X $version.gitVersion=v$kubernetes -X $version.gitMajor=${kubernetes%%.*} -X $version.gitMinor=${minor%%.*}" \
  k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes/cmd/kube-scheduler
for p in "${programs[@]}"; do mv "$scratch/$p" "$folder/$p"; done
echo "$folder"
