/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The options of mount.gfs: its own, the generic ones, and the rest. */

#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "mount_opts.h"

#define DEFAULT_USER "_clusterd"

/* Options that mount(8) and fstab(5) use and that need nothing from us. */
static const char *const ignored[] = { "rw", "defaults", "auto", "noauto",
	"nouser", "nousers", "_netdev", "nofail", "async", "atime", "diratime",
	"relatime", "norelatime", "strictatime", "nostrictatime", "lazytime",
	"nolazytime", "nomand", "noiversion", "silent", "loud", "data=ordered",
	"noacl", "localcaching", "errors=withdraw" };

/* ... and those that the kernel enforces. */
static const char *const kernel[] = { "exec", "noexec", "suid", "nosuid", "dev",
	"nodev", "nodiratime" };

static bool
listed(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

static bool
store(char *dst, size_t size, const char *key, const char *value)
{
	if (*value != '\0' && strlcpy(dst, value, size) < size)
		return true;
	warnx("option %s: its value is %s", key,
	    *value == '\0' ? "missing" : "too long");
	return false;
}

static bool
one_value(struct mount_opts *o, const char *key, const char *value)
{
	const char *error;

	if (strcmp(key, "lockproto") == 0) {
		if (strcmp(value, "lock_nolock") == 0 ||
		    strcmp(value, "lock_dlm") == 0)
			return store(o->lockproto, sizeof(o->lockproto), key,
			    value);
		warnx("option lockproto: \"%s\" is neither lock_nolock nor "
		      "lock_dlm",
		    value);
		return false;
	}
	if (strcmp(key, "locktable") == 0)
		return store(o->locktable, sizeof(o->locktable), key, value);
	if (strcmp(key, "socket") == 0)
		return store(o->socket, sizeof(o->socket), key, value);
	if (strcmp(key, "user") == 0)
		return store(o->user, sizeof(o->user), key, value);
	if (strcmp(key, "commit") == 0) {
		o->commit_us =
		    (uint64_t)strtonum(value, 1, 3600, &error) * 1000000;
		if (error == NULL)
			return true;
		warnx("option commit: \"%s\" is not a number of seconds from "
		      "1 to 3600",
		    value);
		return false;
	}
	if (strncmp(key, "x-", 2) == 0 || strcmp(key, "comment") == 0)
		return true;
	warnx("option %s is not known; see mount.gfs(8)", key);
	return false;
}

static bool
one_option(struct mount_opts *o, char *word)
{
	char *eq;

	if (strcmp(word, "ro") == 0)
		o->readonly = true;
	else if (strcmp(word, "noatime") == 0)
		o->noatime = true;
	else if (strcmp(word, "foreground") == 0)
		o->foreground = true;
	else if (listed(word, kernel, NITEMS(kernel))) {
		if (strlcat(o->fuse, ",", sizeof(o->fuse)) >= sizeof(o->fuse) ||
		    strlcat(o->fuse, word, sizeof(o->fuse)) >=
			sizeof(o->fuse)) {
			warnx("too many options");
			return false;
		}
	} else if (!listed(word, ignored, NITEMS(ignored))) {
		eq = strchr(word, '=');
		if (eq != NULL)
			*eq++ = '\0';
		return one_value(o, word, eq == NULL ? "" : eq);
	}
	return true;
}

static bool
option_list(struct mount_opts *o, char *list)
{
	char *word;

	while ((word = strsep(&list, ",")) != NULL)
		if (*word != '\0' && !one_option(o, word))
			return false;
	return true;
}

static void
usage(void)
{
	fprintf(stderr, "usage: mount.gfs [-dfnsv] [-o options] device dir\n");
}

bool
mount_opts_parse(struct mount_opts *o, int argc, char **argv)
{
	int ch;

	memset(o, 0, sizeof(*o));
	strlcpy(o->user, DEFAULT_USER, sizeof(o->user));
	/* The default of a local file system; nosuid, nodev take it back. */
	strlcpy(o->fuse, "allow_other,default_permissions,suid,dev",
	    sizeof(o->fuse));
	/* mount(8) puts the two names before the options. */
	while ((ch = getopt(argc, argv, "dfno:st:v")) != -1) {
		switch (ch) {
		case 'd':
			o->foreground = true;
			break;
		case 'f':
			o->fake = true;
			break;
		case 'n':
		case 's':
		case 't':
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'o':
			if (!option_list(o, optarg))
				return false;
			break;
		default:
			usage();
			return false;
		}
	}
	if (argc - optind != 2) {
		usage();
		return false;
	}
	o->device = argv[optind];
	if (realpath(argv[optind + 1], o->dir) == NULL &&
	    strlcpy(o->dir, argv[optind + 1], sizeof(o->dir)) >=
		sizeof(o->dir)) {
		warnx("%s: too long", argv[optind + 1]);
		return false;
	}
	return true;
}
