# The disk and the journal of libgfs, with the rest of it stubbed.
GFSA_SRCS := regress/gfs/disk_stub.c regress/gfs/sh.c $(GFS_DISK_SRCS) clusterd/buf.c clusterd/log.c
GFSA_LIBS := -levent_core -lpthread

$(call test,regress/gfs/sh_test,regress/gfs/sh_test.c regress/gfs/sh.c)
$(call test,regress/gfs/env_test,regress/gfs/env_test.c $(GFSA_SRCS),$(GFSA_LIBS))
$(call test,regress/gfs/ondisk_test,regress/gfs/ondisk_test.c $(GFSA_SRCS),$(GFSA_LIBS))
$(call test,regress/gfs/crash_test,regress/gfs/crash_test.c $(GFSA_SRCS),$(GFSA_LIBS))
$(call test,regress/gfs/log_test,regress/gfs/log_test.c $(GFSA_SRCS),$(GFSA_LIBS))
$(call test,regress/gfs/cache_test,regress/gfs/cache_test.c $(GFSA_SRCS),$(GFSA_LIBS))
$(call test,regress/gfs/recovery_test,regress/gfs/recovery_test.c $(GFSA_SRCS),$(GFSA_LIBS))

# With whole mounts.
$(call test,regress/gfs/dirty_test,regress/gfs/dirty_test.c regress/gfs/volume.c regress/gfs/sh.c regress/gfs/model.c clusterd/buf.c clusterd/log.c,$(O)/libgfs/libgfs.a -levent_core -lpthread)

# Tests find the script beside themselves, wherever the build is.
$(O)/regress/gfs/recovery_test $(O)/regress/gfs/dirty_test: $(O)/regress/interop/kernel-gfs2
$(O)/regress/interop/kernel-gfs2: regress/interop/kernel-gfs2
	@mkdir -p $(@D)
	$(Q)cp $< $@
