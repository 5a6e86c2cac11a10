# The benchmarks: clusterbench(8), and what runs it beside others.
$(call prog,bin/clusterbench,regress/bench/clusterbench.c clusterd/log.c,$(O)/clusterd/libclusterd.a)
INSTALL_BIN += $(O)/bin/clusterbench

.PHONY: bench-cluster
# NODES="2 3 5 8" for all sizes of cluster; PEERS: the recipes of the others.
bench-cluster: all
	@bash regress/bench/bench-cluster.sh $(O)
