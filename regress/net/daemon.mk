$(call prog,regress/net/as_mount,regress/net/as_mount.c clusterd/log.c,$(O)/clusterd/libclusterd.a)
$(call prog,regress/net/setlife,regress/net/setlife.c clusterd/store.c clusterd/log.c clusterd/buf.c,-lsodium -lbsd)
$(call shtest,regress/net/daemon_test)
$(call shtest,regress/net/detect_test)
