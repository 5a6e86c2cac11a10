$(call prog,regress/net/fsload,regress/net/fsload.c,)
$(call shtest,regress/net/kill_test)
$(call shtest,regress/net/lab_test)
