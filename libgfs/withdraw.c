/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * How a mount stops itself.  From the first call on nothing reaches the disk
 * and no lock is asked for or given up: the journal is left dirty, and this
 * node's locks stay where they are until the others have replayed it.  The
 * process that hosts the mount ends soon after.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "fs.h"

void
gfs_log(struct gfs *fs, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (fs->logfn != NULL)
		fs->logfn(fs->logarg, line);
	if (fs->lm != NULL && fs->lmops->say != NULL)
		fs->lmops->say(fs->lm, line);
}

static void
stop_all(struct gfs *fs)
{
	fs->withdrawn = true;
	/* Before anything else: a write already queued must fail, too. */
	if (fs->dev != NULL)
		dev_permit(fs->dev, false);
	gfs_log(fs, "withdrawn: %s", fs->withdraw_why);
	glock_fail_all(fs);
	recover_wake(fs);
}

void
gfs_withdraw(struct gfs *fs, const char *fmt, ...)
{
	va_list ap;

	if (fs->withdrawn)
		return;
	va_start(ap, fmt);
	vsnprintf(fs->withdraw_why, sizeof(fs->withdraw_why), fmt, ap);
	va_end(ap);
	stop_all(fs);
}

void
gfs_abort(struct gfs *fs, const char *why)
{
	if (fs->withdrawn)
		return;
	strlcpy(fs->withdraw_why, why, sizeof(fs->withdraw_why));
	stop_all(fs);
}

bool
gfs_withdrawn(const struct gfs *fs, const char **why)
{
	if (why != NULL)
		*why = fs->withdrawn ? fs->withdraw_why : NULL;
	return fs->withdrawn;
}
