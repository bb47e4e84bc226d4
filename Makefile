# SENSE: one non-recursive Makefile. `make help` lists the targets; V=1 shows the commands.

NUMBER   := 0.3.0
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
CC       ?= gcc
B        ?= build
Q        := $(if $(V),,@)
say       = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')

PKGS     := luajit openssl libseccomp msgpack
SERVER_PKGS := libpq hiredis jansson
# Not hiredis, which would rename pread and its like (_FILE_OFFSET_BITS) for all.
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) $(filter-out hiredis,$(SERVER_PKGS)))
PKG_LIBS   = $(shell pkg-config --libs $(PKGS)) -lev -llmdb -lm -ldl -lpthread

WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings -Wvla
HARDEN   := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -fno-strict-overflow
LDHARDEN := -pie -Wl,-z,relro,-z,now
OPT      ?= -O2 -g
# What a sanitizer adds to the code misleads gcc's flow warnings: there they do not fail the build.
SANITIZE := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-error
INCLUDE   = -I. -D_GNU_SOURCE $(PKG_CFLAGS)
CFLAGS   += -std=gnu11 $(OPT) $(WARN) $(if $(SAN),$(SANITIZE),$(HARDEN)) -fvisibility=hidden $(INCLUDE)
LDFLAGS  += $(if $(SAN),-fsanitize=$(SAN),$(LDHARDEN))

# ---- what is built from what ------------------------------------------------------------------
MAIN_SRC   := core/main.c
SERVER_MAIN := $(wildcard server/main.c)
SERVER_SRC := $(filter-out $(SERVER_MAIN),$(wildcard server/*.c server/*/*.c))
LIB_SRC    := $(filter-out $(MAIN_SRC),$(wildcard core/*.c core/*/*.c proto/*.c lua/*.c lua/*/*.c))
LUA_EMBED  := $(wildcard lua/sense/*.lua)
PLUGINS    := $(notdir $(wildcard plugins/*))
UNIT_SRC   := $(filter-out t/70-fault/crowd.c,$(wildcard t/00-unit/*.c t/70-fault/*.c))
SERVER_UNIT_SRC := $(wildcard t/40-server/*.c)
PLUGIN_UNIT_SRC := $(wildcard t/20-plugin/*.c)
FUZZ_NAMES := $(patsubst t/fuzz/%.c,%,$(wildcard t/fuzz/*.c))
BENCH_SRC  := $(wildcard t/bench/*.c)

LIB_OBJ    := $(LIB_SRC:%.c=$(B)/%.o) $(LUA_EMBED:%.lua=$(B)/%.lua.o)
AGENT      := $(B)/sense-agent
SERVER     := $(SERVER_MAIN:server/main.c=$(B)/sense-server)
SERVER_OBJ := $(SERVER_SRC:%.c=$(B)/%.o) $(if $(wildcard server/migrations/*.sql),$(B)/server/migrations.o)
PLUGIN_SO  := $(foreach p,$(PLUGINS),$(if $(wildcard plugins/$(p)/*.c),$(B)/plugins/$(p).so))
UNIT_BIN   := $(UNIT_SRC:%.c=$(B)/%) $(PLUGIN_UNIT_SRC:%.c=$(B)/%) $(SERVER_UNIT_SRC:%.c=$(B)/%)
BENCH_BIN  := $(BENCH_SRC:%.c=$(B)/%)
LOAD_OBJ   := $(patsubst %.c,$(B)/%.o,$(wildcard contrib/load/*.c))
LOAD       := $(if $(SERVER),$(B)/sense-load)
FUZZ_BIN   := $(FUZZ_NAMES:%=$(B)/%)

# Libraries that the server alone needs.
SERVER_LIBS = $(shell pkg-config --libs $(SERVER_PKGS)) -lhttp_parser
# Fuzz targets of what is the server's.
FUZZ_SERVER := csr signer http_gate connection transcode policy_vet
# Benchmarks of it.
BENCH_SERVER := ingest
# Libraries that a plugin alone needs: PLUGIN_LIBS_<name>.
PLUGIN_LIBS_ndpi := -lndpi
PLUGIN_LIBS_packet := -lpcap
PLUGIN_LIBS_sockets := -lbpf -ljansson
PLUGIN_LIBS_procs := -lcrypto
PLUGIN_LIBS_files := -ljansson -lyaml -lz
PLUGIN_LIBS_uplink := -lssl -lcrypto -ljansson
# Sources of proto/ that a plugin speaks the wire with: PLUGIN_SRC_<name>.
PLUGIN_SRC_uplink := $(wildcard proto/message*.c) proto/hex.c proto/rpc.c proto/token.c proto/uuid.c proto/wire.c
# Fuzz targets of plugins need them, too: FUZZ_LIBS_<target>.
$(foreach t,mcp_json mcp_toml mcp_yaml package jar,$(eval FUZZ_LIBS_$t := $(PLUGIN_LIBS_files)))
FUZZ_LIBS_sockets_answer := $(PLUGIN_LIBS_sockets)
FUZZ_LIBS_uplink_answer := $(PLUGIN_LIBS_uplink)

.PHONY: all docs deps run test check asan bench fuzz fuzz-targets lint format install help clean FORCE
.DEFAULT_GOAL := all
.SECONDEXPANSION:
.DELETE_ON_ERROR:
.SECONDARY: $(UNIT_BIN:%=%.o) $(BENCH_BIN:%=%.o) $(FUZZ_NAMES:%=$(B)/t/fuzz/%.o)

all: $(AGENT) $(SERVER) $(LOAD) $(PLUGIN_SO) $(B)/policies ## build the agent, the server, its load generator and the plugins

$(AGENT): $(MAIN_SRC:%.c=$(B)/%.o) $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -rdynamic -o $@ $^ $(PKG_LIBS)

$(B)/sense-server: $(B)/server/main.o $(SERVER_OBJ) $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -rdynamic -o $@ $^ $(SERVER_LIBS) $(PKG_LIBS)

# Makes certificates and knows the wire by what the server has for both.
$(B)/sense-load: $(LOAD_OBJ) $(SERVER_OBJ) $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(PKG_LIBS)

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# What objects depend on beside their source: these files change when their text does.
$(B)/flags:   TEXT = $(CC) $(CFLAGS) $(LDFLAGS)
$(B)/version: TEXT = $(NUMBER) $(VERSION)
$(B)/migrations: TEXT = $(MIGRATIONS)
$(B)/flags $(B)/version $(B)/migrations: FORCE
	@mkdir -p $(@D); echo '$(TEXT)' | cmp -s - $@ || echo '$(TEXT)' >$@

$(B)/core/cli/cli.o $(B)/core/base/version.o: $(B)/version
$(B)/core/cli/cli.o: private CFLAGS += -DSENSE_VERSION='"$(VERSION)"'
$(B)/core/base/version.o: private CFLAGS += -DSENSE_VERSION_NUMBER='"$(NUMBER)"'

# A trusted Lua file becomes an object with the symbols sense_lua_<name>_begin and _end.
$(B)/lua/sense/%.lua.o: lua/sense/%.lua
	@mkdir -p $(@D)
	$(call say,EMBED,$<)
	$(Q)printf '.section .rodata,"a",@progbits\n.global sense_lua_$*_begin, sense_lua_$*_end\nsense_lua_$*_begin:\n.incbin "$<"\nsense_lua_$*_end:\n.byte 0\n.section .note.GNU-stack,"",@progbits\n' | \
	  $(CC) -c -x assembler -o $@ -

# Migrations become one object: their texts, and a table of name, begin and end (server/store/migrate.c).
MIGRATIONS := $(wildcard server/migrations/*.sql)
$(B)/server/migrations.o: $(MIGRATIONS) $(B)/flags $(B)/migrations
	@mkdir -p $(@D)
	$(call say,EMBED,server/migrations)
	$(Q){ n=0; echo '.section .rodata,"a",@progbits'; for f in $(sort $(filter %.sql,$^)); do n=$$((n + 1)); \
	  printf '.Lname%s: .asciz "%s"\n.Lbegin%s: .incbin "%s"\n.Lend%s: .byte 0\n' $$n $${f##*/} $$n $$f $$n; done; \
	  printf '.section .data.rel.ro,"aw",@progbits\n.balign 16\n.global sense_migrations\n.hidden sense_migrations\nsense_migrations:\n'; \
	  for i in $$(seq $$n); do echo ".dc.a .Lname$$i, .Lbegin$$i, .Lend$$i"; done; \
	  printf '.dc.a 0, 0, 0\n.section .note.GNU-stack,"",@progbits\n'; } | $(CC) -c -x assembler -o $@ -

# NAME.bpf.c of a plugin is for the kernel; the plugin holds it as the symbols NAME_bpf_begin and _end.
BPF_CLANG ?= clang
embedded   = $(patsubst %.bpf.c,$(B)/%.embed.o,$(wildcard plugins/$(1)/*.bpf.c))
BPF_SRC    := $(wildcard plugins/*/*.bpf.c)
$(BPF_SRC:%.c=$(B)/%.o): $(B)/%.bpf.o: %.bpf.c $$(wildcard $$(dir $$*)*.h)
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(BPF_CLANG) -target bpf -O2 -g -Wall -Werror $(if $(shell $(CC) -print-multiarch),-I/usr/include/$(shell $(CC) -print-multiarch)) -c -o $@ $<

$(BPF_SRC:%.bpf.c=$(B)/%.embed.o): %.embed.o: %.bpf.o
	$(call say,EMBED,$<)
	$(Q)printf '.section .rodata,"a",@progbits\n.global $(*F)_bpf_begin, $(*F)_bpf_end\n.hidden $(*F)_bpf_begin, $(*F)_bpf_end\n.balign 16\n$(*F)_bpf_begin:\n.incbin "$<"\n$(*F)_bpf_end:\n.byte 0\n.section .note.GNU-stack,"",@progbits\n' | \
	  $(CC) -c -x assembler -o $@ -

$(B)/plugins/%.so: $$(wildcard plugins/$$*/*.c) $$(wildcard plugins/$$*/*.h) core/sense_plugin.h $(B)/flags \
  $$(PLUGIN_SRC_$$*) $$(call embedded,$$*)
	@mkdir -p $(@D)
	$(call say,PLUGIN,$@)
	$(Q)$(CC) $(filter-out -fPIE,$(CFLAGS)) -fPIC -shared $(filter-out -pie,$(LDFLAGS)) -o $@ $(filter %.o,$^) $(filter-out %.bpf.c,$(filter %.c,$^)) $(PLUGIN_LIBS_$*)

# What the agent looks for beside itself.
$(B)/policies:
	@mkdir -p $(@D)
	$(Q)ln -sfn $(CURDIR)/policies $@

# ---- tests ------------------------------------------------------------------------------------
$(UNIT_SRC:%.c=$(B)/%): $(B)/%: $(B)/%.o $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(SERVER_UNIT_SRC:%.c=$(B)/%): $(B)/%: $(B)/%.o $(SERVER_OBJ) $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(PKG_LIBS)

# A plugin test t/20-plugin/<plugin>_<what>.c includes nothing of the plugin: it loads the .so.
$(B)/t/20-plugin/%: $(B)/t/20-plugin/%.o $(LIB_OBJ) $(PLUGIN_SO)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -rdynamic -o $@ $(filter %.o,$^) $(PKG_LIBS)

$(B)/t/bench/%: $(B)/t/bench/%.o $(LIB_OBJ) $$(if $$(filter $$*,$(BENCH_SERVER)),$(SERVER_OBJ))
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -rdynamic -o $@ $^ $(if $(filter $*,$(BENCH_SERVER)),$(SERVER_LIBS)) $(PKG_LIBS) -lpcap

# A test that hangs fails by its name, and the others are run; the long forms of tests take TEST_SECONDS=7200.
TESTS        ?= $(UNIT_BIN) $(wildcard t/[0-9]*/*.t)
TEST_SECONDS ?= 600
check: all $(UNIT_BIN) ## build and run all tests, installing nothing
	$(Q)SENSE_BUILD=$(B) prove --exec 'timeout -k 20 $(TEST_SECONDS)' $(PROVE_FLAGS) $(TESTS)

test: deps ## install what is missing, build, run all tests
	$(Q)$(MAKE) --no-print-directory check

asan: ## the whole test suite under AddressSanitizer and UBSan
	$(Q)contrib/deps/install build test
	$(Q)ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	  $(MAKE) --no-print-directory B=$(B)/asan SAN=address,undefined OPT='-O1 -g' check

# ---- run ----------------------------------------------------------------------------------------
deps: ## install the Debian packages that build and tests need
	$(Q)contrib/deps/install build test

run: ## install what is missing, build, and run a server with an agent that reports what sample captures hold
	$(Q)contrib/deps/install build run
	$(Q)$(MAKE) --no-print-directory all
	$(Q)B=$(B) contrib/demo/run

# ---- fuzzing: FUZZ_SECONDS a target, crashes are kept under build/fuzz -----------------------------
FUZZ_SECONDS ?= 60
FUZZ_ONLY    ?= $(FUZZ_NAMES)

$(FUZZ_BIN): $(B)/%: $(B)/t/fuzz/%.o $(LIB_OBJ) $$(if $$(filter $$*,$(FUZZ_SERVER)),$(SERVER_OBJ))
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(if $(filter $(*F),$(FUZZ_SERVER)),$(SERVER_LIBS)) $(PKG_LIBS) $(FUZZ_LIBS_$(*F))

fuzz-targets: $(FUZZ_ONLY:%=$(B)/%)

fuzz: ## run every fuzz target for FUZZ_SECONDS (60), or those of FUZZ_ONLY
	$(Q)contrib/deps/install build fuzz
	$(Q)$(MAKE) --no-print-directory B=$(B)/fuzz CC=clang SAN=fuzzer-no-link,address,undefined OPT='-O1 -g' fuzz-targets
	$(Q)B=$(B) t/fuzz/run $(FUZZ_SECONDS) $(FUZZ_ONLY)

# ---- benchmarks -----------------------------------------------------------------------------------
bench: all $(BENCH_BIN) ## CPU and memory beside libpcap and ndpiReader, as ratios
	$(Q)contrib/deps/install build bench
	$(Q)B=$(B) t/bench/run

# ---- what is generated and kept in the tree ---------------------------------------------------------
docs: all ## write the reference and the types for editors from the agent's own description
	@mkdir -p lua/meta
	$(Q)$(AGENT) api >lua/meta/sense.lua
	$(Q)$(AGENT) api --reference >docs/reference.md
	$(Q)contrib/doc/tables --write docs/rules.md docs/output.md

# ---- care -----------------------------------------------------------------------------------------
TIDY := $(patsubst %,tidy/%,$(LIB_SRC) $(MAIN_SRC) $(SERVER_SRC) $(SERVER_MAIN) $(wildcard contrib/load/*.c) $(filter-out %.bpf.c,$(wildcard plugins/*/*.c)))
.PHONY: $(TIDY)
$(TIDY): tidy/%: %
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- $(CFLAGS) -DSENSE_VERSION='""' -DSENSE_VERSION_NUMBER='""' 2>/dev/null

lint: ## clang build, clang-tidy, cppcheck, man page
	$(Q)contrib/deps/install build test lint
	$(Q)$(MAKE) --no-print-directory B=$(B)/clang CC=clang all
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) $(TIDY)
	$(call say,CHECK,core lua plugins proto server)
	$(Q)cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr $(INCLUDE) \
	  --suppress=missingIncludeSystem --suppress=varFuncNullUB --suppress=pointerOutOfBounds:core/base/hash.h \
	  $(BPF_SRC:%=-i%) core lua plugins proto server contrib/load
	$(call say,MANDOC,contrib/man)
	$(Q)mandoc -T lint -W warning contrib/man/*.1

format: ## clang-format all C files in place
	$(Q)clang-format -i $(wildcard core/*.[ch] contrib/load/*.[ch] core/*/*.[ch] lua/*.[ch] lua/*/*.[ch] server/*.[ch] server/*/*.[ch] proto/*.[ch] plugins/*/*.[ch] t/*/*.[ch] t/*.h)

# ---- installation ---------------------------------------------------------------------------------
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib/sense
DATADIR ?= $(PREFIX)/share/sense
MANDIR  ?= $(PREFIX)/share/man/man1
UNITDIR ?= $(PREFIX)/lib/systemd/system
CONFDIR ?= /etc/sense

install: all ## install under PREFIX (/usr/local), below DESTDIR
	install -D -m 755 $(AGENT) $(DESTDIR)$(PREFIX)/bin/sense-agent
	install -d $(DESTDIR)$(LIBDIR)/plugins $(DESTDIR)$(DATADIR) $(DESTDIR)$(MANDIR)
	install -m 644 $(PLUGIN_SO) $(DESTDIR)$(LIBDIR)/plugins
	umask 022; cp -R policies $(DESTDIR)$(DATADIR)/
	umask 022; cp -R contrib/cookbook $(DESTDIR)$(DATADIR)/
	install -m 644 contrib/man/*.1 $(DESTDIR)$(MANDIR)
	install -m 755 $(SERVER) $(DESTDIR)$(PREFIX)/bin
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(CONFDIR)/agent.d $(DESTDIR)$(CONFDIR)/server.d
	for unit in sense-agent sense-server; do \
	  sed 's|=/usr/local/bin/|=$(PREFIX)/bin/|' contrib/systemd/$$unit.service >$(DESTDIR)$(UNITDIR)/$$unit.service || exit 1; \
	done
	$(AGENT) config --example >$(DESTDIR)$(CONFDIR)/agent.lua.example
	$(SERVER) config --example >$(DESTDIR)$(CONFDIR)/server.lua.example
	chmod 644 $(DESTDIR)$(UNITDIR)/sense-*.service $(DESTDIR)$(CONFDIR)/*.lua.example

clean: ## remove what was built
	rm -rf $(B)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile

-include $(shell find $(B) -name '*.d' 2>/dev/null)
