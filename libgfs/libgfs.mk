# libgfs and mount.gfs.  Each part adds its sources with a line of its own.

# The disk and the journal.
GFS_DISK_SRCS := libgfs/ondisk.c libgfs/crc.c libgfs/env.c libgfs/env_host.c \
	libgfs/env_sim.c libgfs/dev.c libgfs/cache.c libgfs/writeback.c \
	libgfs/trans.c libgfs/log.c libgfs/log_write.c libgfs/ail.c \
	libgfs/recovery.c libgfs/replay.c libgfs/sb.c libgfs/jindex.c
GFS_SRCS := $(GFS_DISK_SRCS)

# Locks, mounting and FUSE.
GFS_SRCS += libgfs/glock.c libgfs/glock_state.c libgfs/glock_work.c libgfs/glops.c libgfs/log_settle.c \
	    libgfs/lock_none.c libgfs/withdraw.c libgfs/mount.c \
	    libgfs/recover_ctl.c libgfs/lock_cluster.c

# Structures and operations.
GFS_SRCS += libgfs/attr.c libgfs/bitmap.c libgfs/bmap.c libgfs/bmap_alloc.c \
	libgfs/bmap_trunc.c libgfs/dir.c libgfs/dir_hash.c libgfs/dir_read.c \
	libgfs/dirent.c libgfs/ea_free.c libgfs/file.c libgfs/inode.c \
	libgfs/link.c libgfs/meta.c libgfs/namei.c libgfs/rename.c \
	libgfs/rgrp.c libgfs/rgrp_alloc.c libgfs/statfs.c libgfs/unlinked.c

$(call archive,libgfs/libgfs.a,$(GFS_SRCS))

$(call shlib,lib/libgfs.so.0,$(GFS_SRCS) clusterd/buf.c clusterd/libclusterd/cl_assert.c,$(O)/lib/libclusterd.so.0 -levent_core -lpthread,libgfs/libgfs.map)
INSTALL_LIB += $(O)/lib/libgfs.so.0

# mount.gfs.
MOUNT_GFS_SRCS := libgfs/mount_gfs.c libgfs/mount_opts.c libgfs/fuse_host.c \
	libgfs/fuse_ops.c clusterd/log.c
FUSE_CFLAGS := $(shell $(PKG_CONFIG) --cflags fuse3 2>/dev/null)
CFLAGS_libgfs_fuse_host := $(FUSE_CFLAGS)
CFLAGS_libgfs_fuse_ops := $(FUSE_CFLAGS)
$(call prog,sbin/mount.gfs,$(MOUNT_GFS_SRCS),$(O)/libgfs/libgfs.a $(O)/clusterd/libclusterd.a -lfuse3 -levent -lblkid -lpthread)
INSTALL_SBIN += $(O)/sbin/mount.gfs
