# make fuzz-conf: the configuration under libFuzzer, for FUZZTIME seconds.
FUZZTIME ?= 60
FUZZ_CONF := $(filter clusterd/conf% clusterd/buf.c,$(CORE_SRCS)) \
	     $(CONF_SRCS) clusterd/log.c regress/fuzz/fuzz_conf.c

.PHONY: fuzz-conf
fuzz-conf:
	@mkdir -p $(O)/fuzz/conf
	clang $(ALL_CPPFLAGS) -std=c11 -O1 -g \
	    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	    -o $(O)/fuzz/fuzz_conf $(FUZZ_CONF) -lyaml -lsodium -lbsd
	$(O)/fuzz/fuzz_conf -max_total_time=$(FUZZTIME) -max_len=8192 \
	    -artifact_prefix=$(O)/fuzz/ $(O)/fuzz/conf regress/conf conf
