# libclusterd against a daemon that the test plays itself.
FAKE_DAEMON := regress/unit/fake_daemon.c clusterd/log.c

$(call test,regress/unit/libclusterd_test,regress/unit/libclusterd_test.c $(FAKE_DAEMON),$(O)/clusterd/libclusterd.a -lpthread)
$(call test,regress/unit/libclusterd_event_test,regress/unit/libclusterd_event_test.c $(FAKE_DAEMON),$(O)/clusterd/libclusterd.a -lpthread)
