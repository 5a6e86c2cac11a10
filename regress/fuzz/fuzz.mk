# Fuzz targets, one per decoder: NAME_fuzz.c with its corpus in corpus/NAME.
#
#   make fuzz                    every target, FUZZ_SECONDS each, with clang
#   make fuzz TARGETS="conf msg" MERGE=1
#                                these; what they learned is kept in corpus/
#
# The same targets are built with the usual compiler and replay.c for the
# suite, which gives them their corpus (fuzz_test.sh).

FUZZ_SECONDS	?= 60
FUZZ_TARGETS	:= datagram peer ordered client msg conf confmsg store ondisk \
		   clmsg fence journal device qdisk witness words
TARGETS		?= $(FUZZ_TARGETS)

# What each needs besides its own file: sources, and libraries.
FUZZ_RIG	:= regress/fuzz/rig.c clusterd/log.c
FUZZ_CORE	:= datagram peer ordered client device
$(foreach t,$(FUZZ_CORE),$(eval FUZZ_SRCS_$(t) := $(FUZZ_RIG) $(CORE_SRCS)))
FUZZ_SRCS_msg	:= $(FUZZ_RIG) $(CORE_SRCS) clusterd/msg.c
FUZZ_SRCS_conf	:= $(CONF_SRCS) $(filter clusterd/conf% clusterd/buf.c,$(CORE_SRCS)) clusterd/log.c
FUZZ_SRCS_confmsg := $(filter clusterd/conf% clusterd/buf.c,$(CORE_SRCS)) clusterd/log.c
FUZZ_SRCS_store	:= $(FUZZ_RIG) $(CORE_SRCS) clusterd/store.c clusterd/file.c clusterd/keyfile.c
FUZZ_SRCS_ondisk := libgfs/ondisk.c libgfs/dirent.c libgfs/crc.c \
		   clusterd/buf.c clusterd/log.c
FUZZ_SRCS_journal := $(FUZZ_RIG) $(CORE_SRCS) libgfs/ondisk.c libgfs/crc.c \
		   libgfs/replay.c
FUZZ_SRCS_clmsg	:= $(FUZZ_RIG) $(sort $(CL_SRCS) $(CORE_SRCS))
FUZZ_SRCS_words	:= clusterd/words.c clusterd/keyring.c clusterd/buf.c clusterd/log.c
FUZZ_SRCS_witness := $(FUZZ_RIG) $(CORE_SRCS) $(WITNESS_SRCS) clusterd/frames.c
FUZZ_SRCS_qdisk	:= clusterd/qdisk_format.c clusterd/log.c \
		   $(filter clusterd/conf% clusterd/buf.c,$(CORE_SRCS)) \
		   clusterd/core/device.c clusterd/core/bus.c clusterd/core/names.c
FUZZ_SRCS_fence	:= fence/device.c clusterd/loop.c clusterd/log.c \
		   $(filter clusterd/conf% clusterd/buf.c,$(CORE_SRCS))
FUZZ_LIBS	:= -lsodium
FUZZ_LIBS_conf	:= -lyaml
FUZZ_LIBS_fence	:= $(LOOP_LIBS)

# For the suite: built as everything else is.
$(foreach t,$(FUZZ_TARGETS),$(call prog,regress/fuzz/$(t)_replay,regress/fuzz/$(t)_fuzz.c regress/fuzz/replay.c $(FUZZ_SRCS_$(t)),$(FUZZ_LIBS_$(t)) $(FUZZ_LIBS)))
# The one that must fail: a crash is planted in it.
$(O)/regress/fuzz/planted.o: regress/fuzz/msg_fuzz.c GNUmakefile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -DPLANTED -c -o $@ $<
$(O)/regress/fuzz/planted_replay: $(O)/regress/fuzz/planted.o \
    $(patsubst %.c,$(O)/%.o,regress/fuzz/replay.c $(FUZZ_SRCS_msg))
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -pie $(ALL_LDFLAGS) -o $@ $^ $(FUZZ_LIBS) -lbsd
PROGS += $(O)/regress/fuzz/planted_replay
$(call shtest,regress/fuzz/fuzz_test)

# The seeds of the core's targets come from a real cluster.
$(call prog,regress/fuzz/seeds,regress/fuzz/seeds.c regress/fuzz/rig.c $(CONF_LINK),$(CONF_LIBS))

# With libFuzzer: objects of their own, shared by all targets.
FUZZ_O	 := build-fuzz
FUZZ_CC	 ?= clang
FUZZ_CFLAGS := -std=c11 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing \
	      -fsanitize=fuzzer-no-link,address,undefined \
	      -fno-sanitize-recover=all

$(FUZZ_O)/%.o: %.c GNUmakefile regress/fuzz/fuzz.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(ALL_CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

define fuzz_
$(FUZZ_O)/$(1)_fuzz: $(patsubst %.c,$(FUZZ_O)/%.o,regress/fuzz/$(1)_fuzz.c $(FUZZ_SRCS_$(1)))
	$$(call say,LD,$$@)
	$$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $$@ $$^ $(FUZZ_LIBS_$(1)) $(FUZZ_LIBS) -lbsd
-include $(patsubst %.c,$(FUZZ_O)/%.d,regress/fuzz/$(1)_fuzz.c $(FUZZ_SRCS_$(1)))
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_,$(t))))

.PHONY: fuzz fuzz-seeds
fuzz: $(patsubst %,$(FUZZ_O)/%_fuzz,$(TARGETS))
	@MERGE='$(MERGE)' sh regress/fuzz/run.sh $(FUZZ_O) $(FUZZ_SECONDS) $(TARGETS)

# Writes the seeds anew; the diff is what is reviewed.
fuzz-seeds: $(O)/regress/fuzz/seeds
	$(O)/regress/fuzz/seeds regress/fuzz/corpus $(wildcard regress/conf/ok-*.yaml)
