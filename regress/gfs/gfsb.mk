# Structures and operations of libgfs.
GFSB_VOL := regress/gfs/volume.c regress/gfs/sh.c regress/gfs/model.c

$(call test,regress/gfs/dirent_test,regress/gfs/dirent_test.c libgfs/dirent.c libgfs/bitmap.c libgfs/ondisk.c libgfs/crc.c clusterd/buf.c clusterd/log.c)
$(call test,regress/gfs/ops_test,regress/gfs/ops_test.c $(GFSB_VOL) clusterd/buf.c clusterd/log.c,$(O)/libgfs/libgfs.a -levent_core -lpthread)
$(call test,regress/gfs/opscrash_test,regress/gfs/opscrash_test.c $(GFSB_VOL) clusterd/buf.c clusterd/log.c,$(O)/libgfs/libgfs.a -levent_core -lpthread)
$(call test,regress/gfs/concurrent_test,regress/gfs/concurrent_test.c $(GFSB_VOL) clusterd/buf.c clusterd/log.c,$(O)/libgfs/libgfs.a -levent_core -lpthread)
$(call test,regress/gfs/corrupt_test,regress/gfs/corrupt_test.c $(GFSB_VOL) clusterd/buf.c clusterd/log.c,$(O)/libgfs/libgfs.a -levent_core -lpthread)
$(call test,regress/gfs/exchange_test,regress/gfs/exchange_test.c $(GFSB_VOL) clusterd/buf.c clusterd/log.c,$(O)/libgfs/libgfs.a -levent_core -lpthread)
$(call test,regress/gfs/orphans_test,regress/gfs/orphans_test.c regress/gfs/lock_sim.c $(GFSB_VOL) clusterd/buf.c clusterd/log.c,$(O)/libgfs/libgfs.a -levent_core -lpthread)
