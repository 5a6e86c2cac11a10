/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * knock SOCKET FILE: a client that connects, says something and goes, again and
 * again, whether anybody is there or not, until FILE exists.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <err.h>
#include <unistd.h>

#include "clusterd/compat.h"

static void
knock(const struct sockaddr_un *sun)
{
	static const char word[] = "no message of us";
	int fd;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd == -1)
		err(1, "socket");
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0)
		(void)send(fd, word, sizeof(word), MSG_NOSIGNAL);
	close(fd);
}

int
main(int argc, char *argv[])
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (argc != 3 ||
	    strlcpy(sun.sun_path, argv[1], sizeof(sun.sun_path)) >=
		sizeof(sun.sun_path))
		errx(2, "usage: knock SOCKET FILE");
	while (access(argv[2], F_OK) == -1)
		knock(&sun);
	return 0;
}
