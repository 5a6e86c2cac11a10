$(call shtest,regress/mutants/mutants_test)
