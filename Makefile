# make help lists the targets. .ci/run runs them as its sections, with the time of each.

GO ?= go
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hallmark-ci
DIST ?= dist
PLATFORMS ?= linux/amd64,windows/amd64

.PHONY: help build check modules format vet lint workflows test cross interop fuzz release reproduce

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: ## build hallmark and hallmark-verify for this machine
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o . ./cmd/hallmark ./cmd/hallmark-verify

check: ## everything that must hold before a change lands
	.ci/run

modules: ## go.mod lists what the code imports, no more and no less
	$(GO) mod tidy -diff
	$(GO) mod verify

format: ## gofmt would change nothing
	@unformatted=$$(git ls-files -z '*.go' | xargs -0 gofmt -l); \
	if [ -n "$$unformatted" ]; then printf 'gofmt would change:\n%s\n' "$$unformatted"; exit 1; fi

vet: ## go vet, for Linux, Windows and macOS
	$(GO) vet ./...
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $(GO) vet ./...
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./...

lint: workflows ## staticcheck, actionlint
	@mkdir -p $(TOOLS)
	$(GO) -C interop build -o $(TOOLS)/staticcheck honnef.co/go/tools/cmd/staticcheck
	$(TOOLS)/staticcheck ./...
	cd interop && $(TOOLS)/staticcheck ./...

workflows: ## actionlint finds nothing in .github/workflows
	@mkdir -p $(TOOLS)
	$(GO) -C interop build -o $(TOOLS)/actionlint github.com/rhysd/actionlint/cmd/actionlint
	$(TOOLS)/actionlint

test: ## the tests of the module
	$(GO) test ./...

cross interop fuzz: ## sections of .ci/run
	.ci/run $@

release: ## archives, checksums and SBOM in $(DIST), signed at a local instance
	$(GO) run ./deploy/release -out $(DIST)
	deploy/release/sign.sh $(DIST)

reproduce: ## two releases, from two directories and with two build caches, have the same bytes
	@work=$$(mktemp -d) && trap 'chmod -R u+w '$$work' && rm -rf '$$work EXIT && \
	$(GO) run ./deploy/release -out $$work/a -platforms $(PLATFORMS) && \
	git clone -q . $$work/clone && cd $$work/clone && git checkout -q $$(git -C $(CURDIR) rev-parse HEAD) && \
	GOCACHE=$$work/cache $(GO) run ./deploy/release -out $$work/b -platforms $(PLATFORMS) && \
	diff -r $$work/a $$work/b && echo "two builds have the same bytes"
