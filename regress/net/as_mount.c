/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Stands in for the process of a mount: registers itself and sleeps, without
 * ever looking whether the daemon is still there.
 *
 *	as_mount SOCKET DIR [ignore]	ignore: SIGTERM has no effect
 */

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "libclusterd/clusterd.h"

int
main(int argc, char **argv)
{
	struct cl *cl;
	int error;

	if (argc < 3)
		errx(64, "usage: as_mount SOCKET DIR [ignore]");
	if (argc > 3)
		signal(SIGTERM, SIG_IGN);
	error = cl_open(argv[1], &cl);
	if (error != 0)
		errx(1, "open: error %d", error);
	error = cl_mount_register(cl, "data", (int)getpid(), argv[2]);
	if (error != 0)
		errx(1, "register: error %d", error);
	puts("registered");
	fflush(stdout);
	for (;;)
		pause();
}
