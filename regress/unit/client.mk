$(call test,regress/unit/client_test,regress/unit/client_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/grammar_test,regress/unit/grammar_test.c shell/grammar.c clusterd/log.c)
