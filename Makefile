# What can be done here; `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help build demo demo-real test check format lints architecture generated kubernetes bench soak crds docs builtin

CARGO ?= cargo
# Real Kubernetes is built where Go is; elsewhere it is used if it is there already.
KUBERNETES := $(if $(shell command -v go 2>/dev/null),kubernetes)

help: ## list what can be done
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 19

build: ## the binary: target/release/hub
	$(CARGO) build --release --bin hub

# The development build is ready several times sooner than a release, and tests use the same.
demo: ## a hub, 3 members and a shop spread over them, in one process; ARGS=--exit-when-ready ends then
	@$(CARGO) build --bin hub
	@$(CARGO) run --quiet --bin hub -- demo $(ARGS)

demo-real: kubernetes ## the same with real Kubernetes
	@$(CARGO) build --bin hub --example demo
	@$(CARGO) run --quiet --example demo -- $(ARGS)

# One cargo invocation, so that what tests share is built once. Without Go and without Kubernetes the scenarios that
# need it are skipped by name; with HANSE_REQUIRE=all they fail.
test: $(KUBERNETES) ## unit, property and command-line tests, and the scenarios on real Kubernetes
	$(CARGO) test --no-fail-fast

check: format lints architecture generated ## format, lints, architecture, generated files
format:
	$(CARGO) fmt --check
lints:
	$(CARGO) clippy --quiet --all-targets -- -D warnings
architecture:
	$(CARGO) test --quiet --test architecture
generated:
	$(CARGO) test --quiet --lib -- current

kubernetes: ## find or build real Kubernetes (first time: 7 minutes); the last line is its folder
	@tests/kubernetes/build.sh

bench: kubernetes ## the hub against the same writes without it; also into target/bench.json
	$(CARGO) bench --bench '*'

soak: kubernetes ## the scenarios that take long: kills, stalls, deletion orders
	$(CARGO) test --test e2e -- --ignored

crds: ## write the generated files anew: manifests/crds, docs/reference
	HANSE_UPDATE=1 $(CARGO) test --quiet --lib -- current

docs: ## the documentation of the code: target/doc/hanse/index.html
	$(CARGO) doc --no-deps --document-private-items

builtin: kubernetes ## ask real Kubernetes for its kinds, schemas and defaults: src/model/schema/builtin.json
	$(CARGO) run --quiet --example builtin
