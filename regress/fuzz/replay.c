/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * replay FILE|FOLDER ...: gives each file, in the order of names, to the fuzz
 * target this is linked with, and says how many there were.  A file that the
 * target cannot take ends the process, after its name was printed.  Replaces
 * libFuzzer where that is not at hand.
 */

#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX (1 << 20)

static unsigned count;
static char current[512];

/* The name is what one needs to know first. */
static void
died(int sig)
{
	static const char text[] = " ended the target\n";
	ssize_t n;

	n = write(STDERR_FILENO, current, strlen(current));
	n = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)n;
	signal(sig, SIG_DFL);
	raise(sig);
}

static void
one_file(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX), *exact;
	size_t len;
	FILE *f = fopen(path, "rb");

	if (f == NULL || data == NULL)
		err(2, "%s", path);
	strlcpy(current, path, sizeof(current));
	len = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	/* Of just that size, so that a read behind it can be seen. */
	exact = malloc(MAX(len, (size_t)1));
	if (exact == NULL)
		err(2, NULL);
	memcpy(exact, data, len);
	free(data);
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	count++;
}

static void
folder(const char *path)
{
	struct dirent **names;
	char file[512];
	int i, n = scandir(path, &names, NULL, alphasort);

	if (n == -1)
		err(2, "%s", path);
	for (i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			one_file(file);
		free(names[i]);
	}
	free(names);
}

int
main(int argc, char *argv[])
{
	struct stat st;
	int i;

	signal(SIGABRT, died);
	signal(SIGSEGV, died);
	for (i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == -1)
			err(2, "%s", argv[i]);
		if (S_ISDIR(st.st_mode))
			folder(argv[i]);
		else
			one_file(argv[i]);
	}
	printf("%u inputs\n", count);
	return 0;
}
