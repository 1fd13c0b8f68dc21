package scaffold

import (
	"bytes"
	"fmt"
	"strings"
)

// Project says what the files around the scenarios have to know.
type Project struct {
	// Flags are those of loadgen that say what the target is, as words for a
	// shell; none for the reference server. The address stands apart.
	Address string
	Flags   string
}

// Makefile returns a Makefile that runs the scenarios beside it. Its first
// target is `scenarios`.
func Makefile(p Project) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by `loadgen init`. make -C FOLDER runs it from elsewhere.")
	line("# TARGET=host:port points it elsewhere, FLAGS says how to connect, and ARGS adds")
	line("# to the command.")
	line("")
	line("LOADGEN ?= loadgen")
	if p.Address != "" {
		line("TARGET  ?= %s", escapeMake(p.Address))
	}
	line("%s", strings.TrimSpace("FLAGS   ?= "+escapeMake(p.Flags)))
	line("")
	line(".PHONY: scenarios")
	line("scenarios: ## run the scenarios of this folder")
	line("\t$(LOADGEN) run . $(if $(TARGET),--target $(TARGET)) $(FLAGS) $(ARGS)")
	line("")
	line(".PHONY: lint")
	line("lint: ## check them without running them")
	line("\t$(LOADGEN) lint . $(if $(TARGET),--target $(TARGET)) $(FLAGS)")
	line("")
	line(".PHONY: await")
	line("await: ## wait until the target is there, for up to half a minute")
	line("\t@for i in $$(seq 30); do $(LOADGEN) list $(if $(TARGET),--target $(TARGET)) $(FLAGS) >/dev/null 2>&1 && exit 0; sleep 1; done; exit 1")
	return b.Bytes()
}

// escapeMake makes a text stand for itself in a Makefile.
func escapeMake(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// Page returns a page on the scenarios, with snippets for CI systems. dir is
// where they are, from the top of the repository.
func Page(dir string) []byte {
	return []byte(strings.NewReplacer("{dir}", dir, "~~~", "```", "~", "`").Replace(page))
}

const page = `# Scenarios

Written by ~loadgen init~: a file for each service, a step for each method.

    make -C {dir}                      # run them
    make -C {dir} lint                 # check them without a call
    make -C {dir} TARGET=host:port     # against another server

The first line of each file names its schema: an editor with the YAML language
server completes methods and message fields. ~loadgen schema --target ADDR~
writes it again when the service has changed.

The exit code is 0 when all passed, 1 when a check failed, 3 when a file has a
mistake, and 5 when the target is not there.

## CI

GitHub Actions: loadgen and the server have to be there, built or downloaded by
a step before.

~~~yaml
- name: scenarios
  run: |
    ./server &
    make -C {dir} await scenarios ARGS="--report out"
- uses: actions/upload-artifact@v4
  if: always()
  with:
    name: scenarios
    path: {dir}/out
~~~

GitLab:

~~~yaml
scenarios:
  script:
    - ./server &
    - make -C {dir} await scenarios ARGS="--report out"
  artifacts:
    when: always
    paths: [{dir}/out]
    reports: {junit: {dir}/out/junit.xml}
~~~
`
