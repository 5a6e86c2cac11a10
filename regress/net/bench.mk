$(call shtest,regress/net/bench_test)
