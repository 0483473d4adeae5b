# make            build everything into build/
# make run        one publish, end to end, on this machine
# make check      all tests; SAN=1 runs them under ASan and UBSan
# make coverage   branches taken of the journal, tree and notes: all of them,
#                 but for what checks and compresses it, which is shown
# make soak       every call failing, 1,000 kills; HOURS= bounds it
# make bench      measurements, never asserted; beside others' programs if
#                 contrib/bootstrap.sh --bench has brought them
# make install    PREFIX, DESTDIR
SHELL = /bin/bash
PREFIX ?= /usr/local
VERSION := 0.1.0
B := build$(if $(SAN),/san,$(if $(COV),/cov,$(if $(filter clang,$(CC)),/clang)))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-missing-field-initializers
CFLAGS ?= -O2 -g
ALL_CFLAGS = $(CFLAGS) -std=gnu11 -D_GNU_SOURCE -I. -pthread \
	-fno-strict-aliasing -fstack-protector-strong $(WARN) \
	-DKIRCERTA_VERSION='"$(VERSION)"' -DKIRCERTA_PREFIX='"$(PREFIX)"' $(SANFLAGS)
SANFLAGS = $(if $(SAN),-fsanitize=address$(,)undefined -fno-omit-frame-pointer \
	-fno-sanitize-recover=undefined) \
	$(if $(COV),-O0 --coverage -fprofile-update=atomic)
, := ,

objs = $(patsubst %.c,$(B)/%.o,$(wildcard $(1)))
lib = $(shell pkg-config --libs $(1) 2>/dev/null)

COMMON := $(call objs,common/*.c)
AGENT := $(call objs,agent/store/*.c agent/run/*.c agent/ops/*.c \
	agent/gate/*.c agent/core/*.c agent/net/*.c)
CONSOLE := $(call objs,$(filter-out console/main.c console/preview.c,\
	$(wildcard console/*.c)))
TOOLS := $(patsubst agent/tools/%_main.c,$(B)/tools/%,\
	$(wildcard agent/tools/*_main.c))
MANIFESTS := $(patsubst agent/tools/%,$(B)/tools/%,\
	$(wildcard agent/tools/*.conf))
UNITS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
SCREENS := $(patsubst %.c,$(B)/%,$(wildcard tests/screens/test_*.c))
BENCHES := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))

L_COMMON = $(call lib,jansson libgit2 libcrypto)
L_AGENT = $(call lib,sqlite3 libwebsockets libuv zlib libzstd libssl) $(L_COMMON)
L_CONSOLE = $(call lib,libwebsockets libcurl ncursesw) $(L_COMMON) -lm

.PHONY: all run check coverage soak bench install clean deps
.SECONDARY:
all: deps
	@$(MAKE) --no-print-directory -j$$(nproc) programs

# What is not on the machine yet is installed first, and only then.
deps:
	@contrib/bootstrap.sh

PROGRAMS := $(if $(wildcard agent/main.c),$(B)/kircerta-agent) \
	$(if $(wildcard console/main.c),$(B)/kircerta) \
	$(if $(wildcard console/preview.c),$(B)/kircerta-preview) \
	$(TOOLS) $(MANIFESTS)

.PHONY: programs tests
programs: $(PROGRAMS)
tests: programs $(UNITS) $(SCREENS)

$(B)/libcommon.a: $(COMMON)
$(B)/libagent.a: $(AGENT)
$(B)/libconsole.a: $(CONSOLE)
$(B)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

$(B)/kircerta-agent: $(call objs,agent/*.c) $(B)/libagent.a $(B)/libcommon.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(L_AGENT) \
		$(call lib,libseccomp)
$(B)/kircerta: $(B)/console/main.o $(B)/libconsole.a $(B)/libcommon.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(L_CONSOLE)
$(B)/kircerta-preview: $(B)/console/preview.o $(B)/libcommon.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ \
		$(call lib,chafa libpng libjpeg) $(L_COMMON)

$(B)/console/preview.o: CFLAGS += $(shell pkg-config --cflags chafa 2>/dev/null)

# A tool is NAME_main.c and its NAME_*.c; it sees common, tool.h and web.h.
$(B)/libtool.a: $(call objs,agent/tools/tool.c agent/tools/web.c)
L_screen = $(call lib,xcb xcb-shm xcb-xfixes xcb-randr libpng libturbojpeg)
L_youtube = $(call lib,libcurl)
L_notify = $(call lib,libcurl)
L_witness = $(call lib,libcurl)
L_webhook = $(call lib,libcurl)
L_timestamp = $(call lib,libcurl)
.SECONDEXPANSION:
$(B)/tools/%: $$(call objs,agent/tools/$$*_*.c) \
		$(B)/libtool.a $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(L_$*) $(L_COMMON)
$(B)/tools/%.conf: agent/tools/%.conf
	@mkdir -p $(@D)
	cp $< $@

# Unit tests link what they use out of the archives.
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libagent.a $(B)/libconsole.a \
		$(B)/libcommon.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(L_AGENT) $(L_CONSOLE) \
		$(call lib,check)
# A disk that fails: what disk_calls.h takes the place of.
WRAPPED = open openat mkostemp read pread write pwrite ftruncate fsync \
	fdatasync fstat stat rename linkat unlink unlinkat
$(B)/tests/unit/test_%_disk: LDFLAGS += $(WRAPPED:%=-Wl,--wrap=%) \
	$(if $(COV),-Wl$(,)-u$(,)__gcov_dump)
$(B)/tests/unit/test_journal_zst_disk: LDFLAGS += -Wl,--wrap=ZSTD_compress2
$(B)/tests/unit/test_journal_branches $(B)/tests/unit/test_journal_room: \
	LDFLAGS += $(foreach w,$(WRAPPED),-Wl$(,)--wrap=$w)
$(B)/tests/unit/test_journal_branches: \
	LDFLAGS += -Wl,--wrap=flock,--wrap=pthread_create
$(B)/tests/unit/test_journal_room: LDFLAGS += -Wl,--wrap=statvfs
$(B)/tests/unit/test_clock $(B)/tests/unit/test_wait: \
	LDFLAGS += -Wl,--wrap=clock_gettime
CRYPTO = EVP_MD_CTX_new EVP_PKEY_new_raw_public_key EVP_DigestSign \
	EVP_PKEY_get_raw_public_key EVP_DigestSignInit EVP_DigestVerifyInit
$(B)/tests/unit/test_note_faults: LDFLAGS += $(CRYPTO:%=-Wl,--wrap=%)
$(B)/tests/screens/%: $(B)/tests/screens/%.o $(B)/libconsole.a \
		$(B)/libcommon.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(L_CONSOLE) \
		$(call lib,check vterm) -lutil
$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libagent.a $(B)/libcommon.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(L_AGENT)

$(B)/agent/ops/evidence_script.o: agent/ops/evidence_verify.sh
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

run: all
	@contrib/run.sh $(B)

check: deps
	@$(MAKE) --no-print-directory -j$$(nproc) tests
	@tests/run.sh $(B)

soak: all
	@$(MAKE) --no-print-directory -j$$(nproc) tests
	@tests/soak.sh $(B)

coverage: deps
	@$(MAKE) --no-print-directory -j$$(nproc) COV=1 coverage-programs
	@tests/coverage.sh build/cov

.PHONY: coverage-programs
coverage-programs: $(filter $(B)/tests/unit/test_journal% \
	$(B)/tests/unit/test_merkle% $(B)/tests/unit/test_tree% \
	$(B)/tests/unit/test_note% $(B)/tests/unit/test_checkpoint%,$(UNITS))

bench: all
	@$(MAKE) --no-print-directory $(BENCHES)
	@tests/bench/run.sh $(B)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin \
		$(DESTDIR)$(PREFIX)/libexec/kircerta/tools \
		$(DESTDIR)$(PREFIX)/share/kircerta/themes \
		$(DESTDIR)$(PREFIX)/lib/systemd/system
	install $(B)/kircerta-agent $(B)/kircerta $(DESTDIR)$(PREFIX)/bin
	install $(B)/kircerta-preview $(DESTDIR)$(PREFIX)/libexec/kircerta
	install $(TOOLS) $(DESTDIR)$(PREFIX)/libexec/kircerta/tools
	install -m 644 $(MANIFESTS) $(DESTDIR)$(PREFIX)/libexec/kircerta/tools
	install -m 644 themes/*.theme $(DESTDIR)$(PREFIX)/share/kircerta/themes
	install -m 644 contrib/systemd/*.service \
		$(DESTDIR)$(PREFIX)/lib/systemd/system

clean:
	rm -rf build

-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)
