FIXTURE := regress/unit/fixture.c regress/unit/fixture_chaos.c \
	   regress/unit/fixture_fakes.c
$(call test,regress/unit/member_test,regress/unit/member_test.c $(FIXTURE) clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/hold_test,regress/unit/hold_test.c $(FIXTURE) clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/order_test,regress/unit/order_test.c $(FIXTURE) clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/group_test,regress/unit/group_test.c $(FIXTURE) clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/fencing_test,regress/unit/fencing_test.c $(FIXTURE) clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/quorum_test,regress/unit/quorum_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/order_liar_test,regress/unit/order_liar_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/vote_test,regress/unit/vote_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/ballot_test,regress/unit/ballot_test.c $(FIXTURE) clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/vote_model_test,regress/unit/vote_model_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(call test,regress/unit/device_test,regress/unit/device_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
