$(call shtest,regress/lint/example_test)
