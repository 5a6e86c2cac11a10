$(call shtest,regress/lint/tree_test)
$(call shtest,regress/lint/purity_test)
$(call shtest,regress/lint/manual_test)
