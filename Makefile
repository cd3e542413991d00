# What can be done here; `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help build demo demo-real test check format lints architecture generated kubernetes bench soak crds docs builtin hours

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

bench: kubernetes ## the hub against the same writes without it, and with a large fleet; also into target/bench*.json
	$(CARGO) bench --bench '*'
	HANSE_BENCH_MEMBERS_REAL=10 HANSE_BENCH_PACE=0 HANSE_BENCH_STALLS=0 HANSE_BENCH_RUNNING=0 $(CARGO) bench --bench thread

hours: ## 200 simulated hours of changes and faults, each from its seed; HANSE_SEED and HANSE_SEEDS choose
	HANSE_SEEDS=$${HANSE_SEEDS:-200} $(CARGO) test --profile hours --test simulation -- --nocapture hours::an_hour

soak: kubernetes ## what takes long: kills, stalls, deletion orders, simulated days
	$(CARGO) test --test e2e -- --ignored
	$(CARGO) test --profile hours --test simulation -- --nocapture --ignored

crds: ## write the generated files anew: manifests/crds, docs/reference
	HANSE_UPDATE=1 $(CARGO) test --quiet --lib -- current

docs: ## the documentation of the code: target/doc/hanse/index.html
	$(CARGO) doc --no-deps --document-private-items

builtin: kubernetes ## ask real Kubernetes for its kinds, schemas and defaults: src/model/schema/builtin.json
	$(CARGO) run --quiet --example builtin
