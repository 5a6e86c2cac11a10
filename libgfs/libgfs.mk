# libgfs and mount.gfs.  Each part adds its sources with a line of its own.

# The disk and the journal.
GFS_SRCS := libgfs/ondisk.c libgfs/crc.c

$(call archive,libgfs/libgfs.a,$(GFS_SRCS))
