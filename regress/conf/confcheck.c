/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * confcheck [-v] FILE: checks one cluster.yaml as `clusterd -n` does, without
 * the daemon around it.
 */

#include <err.h>
#include <unistd.h>

#include "conf.h"

int
main(int argc, char *argv[])
{
	bool print = false;
	int ch;

	while ((ch = getopt(argc, argv, "v")) != -1) {
		if (ch != 'v')
			errx(2, "usage: confcheck [-v] FILE");
		print = true;
	}
	if (argc - optind != 1)
		errx(2, "usage: confcheck [-v] FILE");
	return conf_check_main(argv[optind], print);
}
