# The benchmarks: clusterbench(8), and what runs it beside others.
$(call prog,bin/clusterbench,regress/bench/clusterbench.c clusterd/log.c,$(O)/clusterd/libclusterd.a)
INSTALL_BIN += $(O)/bin/clusterbench
