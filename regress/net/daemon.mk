$(call prog,regress/net/as_mount,regress/net/as_mount.c clusterd/log.c,$(O)/clusterd/libclusterd.a)
$(call shtest,regress/net/daemon_test)
$(call shtest,regress/net/detect_test)
$(call shtest,regress/net/upgrade_test)
