/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Makes a node that is stopped believe that it lived as this incarnation, as
 * if its clock had once been far ahead; the rest of its state stays.
 *
 *	setlife STATEDIR INCARNATION
 */

#include <err.h>
#include <stdlib.h>

#include "store.h"

int
main(int argc, char **argv)
{
	static struct store s;

	if (argc != 3)
		errx(64, "usage: setlife STATEDIR INCARNATION");
	if (store_open(&s, argv[1]) == -1 ||
	    store_write(&s, strtoull(argv[2], NULL, 0), s.blob, s.len) == -1)
		err(1, "%s", argv[1]);
	store_close(&s);
	return 0;
}
