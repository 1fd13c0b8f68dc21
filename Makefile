# `make` lists the targets. Only Go, git and make are needed; tools are pinned
# and built into .tmp/bin.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
CONFORMANCE := connectrpc.com/conformance@v1.0.7
FUZZTIME    ?= 10s
BENCHCOUNT  ?= 5

# TARGET=host:port points `make loadtest` elsewhere; FLAGS adds to its command.
ifdef TARGET
TARGETFLAGS := --target $(TARGET) $(if $(TLS),,--plaintext)
endif

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

.PHONY: all
all: test conformance race lint checkgenerate loadtest ## what CI runs, but for fuzzing and example clients

.PHONY: build
build: ## build bin/loadgen and bin/detect-server
	go build -o bin/loadgen ./loadgen
	go build -o bin/detect-server ./server

.PHONY: loadtest
loadtest: build ## the main job: scenarios, then load of all four kinds (TARGET=host:port for another server)
	bin/loadgen run scenarios $(TARGETFLAGS) $(FLAGS)

.PHONY: test
test: ## run the tests
	go test ./...

.PHONY: clients
clients: ## check the example clients' retries, alone on the machine
	TOUCHSTONE_REQUIRE_CLIENTS=1 go test -count=1 ./fixtures/clients

.PHONY: conformance
conformance: .tmp/bin/connectconformance ## run connectrpc's conformance suite against both transports
	TOUCHSTONE_CONFORMANCE=$(CURDIR)/$< TOUCHSTONE_CONFORMANCE_PROTOS=$$(go env GOMODCACHE)/$(CONFORMANCE)/proto \
		go test -count=1 -run TestSuite -v ./loadgen/transport/conformance

.tmp/bin/connectconformance: Makefile
	GOBIN=$(CURDIR)/.tmp/bin go install $(subst @,/cmd/connectconformance@,$(CONFORMANCE))
	@touch $@

.PHONY: race
race: ## run the tests under the race detector, but for those of whole programs, browsers and timing
	go test -race -short $$(go list ./... | grep -v /fixtures/clients)

.PHONY: lint
lint: .tmp/bin/staticcheck ## gofmt, go vet, staticcheck
	@files=$$(gofmt -l .); test -z "$$files" || { echo "$$files"; echo 'hint: run gofmt -w on these files'; exit 1; } >&2
	go vet ./...
	.tmp/bin/staticcheck ./...

.tmp/bin/staticcheck: Makefile
	GOBIN=$(CURDIR)/.tmp/bin go install $(STATICCHECK)
	@touch $@

.PHONY: generate
generate: ## write generated code and images again; needs Go only
	go run ./proto/gen
	go run ./fixtures/images/gen
	go test ./loadgen/report -run TestSchemaIsOfTheTypes -update
	go test ./loadgen/scenario/jsonschema -run TestCommitted -update

.PHONY: checkgenerate
checkgenerate: generate ## fail when generated files are not up to date
	@git diff --exit-code --stat -- proto fixtures reports scenarios
	@files=$$(git status --porcelain -- proto fixtures reports scenarios); test -z "$$files" || { echo "$$files" >&2; exit 1; }

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## run the benchmarks BENCHCOUNT times (5)
	go test -run '^$$' -bench . -benchmem -count $(BENCHCOUNT) ./...

.PHONY: bench-peers
bench-peers: build ## measure loadgen beside h2load, ghz, k6 and fortio; installs what it can (FLAGS=--quick to try it)
	go run ./reports/peers --install
	go run ./reports/peers $(FLAGS)

.PHONY: clean
clean: ## remove what was built and the reports of runs
	rm -rf bin .tmp reports/out
