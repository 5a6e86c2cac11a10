$(call shtest,regress/net/example_test)
