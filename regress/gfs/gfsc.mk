# Locks, mounting and FUSE.
GLOCK_TEST_SRCS := regress/gfs/glock_test.c regress/gfs/lock_sim.c \
	libgfs/glock.c libgfs/glock_state.c libgfs/glock_work.c \
	libgfs/lock_none.c libgfs/withdraw.c libgfs/recover_ctl.c \
	libgfs/env.c libgfs/env_sim.c clusterd/log.c

$(call test,regress/gfs/glock_test,$(GLOCK_TEST_SRCS))
$(call test,regress/gfs/coherence_test,regress/gfs/coherence_test.c regress/gfs/coh_model.c regress/gfs/sh.c regress/gfs/lock_sim.c clusterd/log.c clusterd/buf.c,$(O)/libgfs/libgfs.a -lpthread)
$(call shtest,regress/gfs/fuse_test)
$(call shtest,regress/net/mountproc_test)
$(call prog,regress/gfs/differ,regress/gfs/differ.c,)
