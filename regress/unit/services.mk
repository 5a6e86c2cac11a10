# What clients are offered: views, groups, channels and the like.
$(call test,regress/unit/changes_test,regress/unit/changes_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
$(foreach t,group_state evchan levels barrier kv dgram,$(call test,regress/unit/$(t)_test,regress/unit/$(t)_test.c regress/unit/story.c $(FIXTURE) clusterd/log.c,$(O)/clusterd/libcore.a -lsodium))
$(foreach t,state service,$(call test,regress/unit/libclusterd_$(t)_test,regress/unit/libclusterd_$(t)_test.c $(FAKE_DAEMON),$(O)/clusterd/libclusterd.a -lpthread))
$(call test,regress/unit/torn_test,regress/unit/torn_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium)
