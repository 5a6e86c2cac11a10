# libgfs and mount.gfs.
