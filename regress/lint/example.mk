$(call shtest,regress/lint/example_test)
$(call shtest,regress/lint/document_test)
