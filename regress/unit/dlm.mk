# The lock manager and its lockspaces.
DLM_FX := regress/unit/dlm_fixture.c clusterd/log.c
$(call test,regress/unit/dlm_mode_test,regress/unit/dlm_mode_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/dlm_test,regress/unit/dlm_test.c $(DLM_FX),$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/dlm_recover_test,regress/unit/dlm_recover_test.c $(DLM_FX),$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/lspace_test,regress/unit/lspace_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
