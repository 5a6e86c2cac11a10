/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * fsload: a load of creates, appends, renames and unlinks that keeps a diary
 * outside the volume, and the judge of what the volume holds afterwards.
 *
 *	fsload run DIR NAME SEED DIARY	works in DIR/NAME and DIR/shared until
 *					it is killed
 *	fsload verify DIR DIARY...	0: everything acknowledged is there
 *
 * The diary has a line before each change ("B name": its state is open) and
 * one after the fsync that made it durable ("C name len seed": it holds this;
 * "G name": it is gone).  A line of the shared log is "L name n" when fsync
 * has returned for it.  Byte i of a file with a seed is a function of both,
 * so an append only makes a file longer.
 */

#include <sys/stat.h>
#include <sys/types.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES	24 /* names in use by one worker */
#define LEN_MAX 60000

static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static uint64_t rng_state;

static unsigned
below(unsigned n)
{
	rng_state = mix(rng_state);
	return (unsigned)(rng_state >> 33) % n;
}

static void
pattern(uint64_t seed, uint64_t off, uint8_t *dst, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		dst[i] = (uint8_t)mix(seed ^ (off + i));
}

struct file {
	bool exists;
	uint64_t len, seed;
	unsigned serial; /* part of the name; a new one per creation */
};

static struct {
	const char *dir, *name;
	int diary;
	struct file files[FILES];
	unsigned serial, line;
} work;

static void __attribute__((__format__(__printf__, 1, 2)))
note(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || write(work.diary, text, (size_t)n) != n)
		err(1, "diary");
}

/* Odd names live in the directory that all nodes share. */
static void
path_of(unsigned serial, char *rel, size_t relsize, char *path, size_t size)
{
	if (serial % 2)
		snprintf(rel, relsize, "shared/%s.%u", work.name, serial);
	else
		snprintf(rel, relsize, "%s/%u", work.name, serial);
	snprintf(path, size, "%s/%s", work.dir, rel);
}

static void
sync_dir_of(const char *path)
{
	char dir[1024];
	int fd;

	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	if (fd == -1 || fsync(fd) == -1)
		err(1, "fsync %s", dir);
	close(fd);
}

static void
grow(struct file *f, unsigned more)
{
	char rel[256], path[1024];
	uint8_t *data = malloc(more);
	int fd;

	if (data == NULL)
		err(1, NULL);
	path_of(f->serial, rel, sizeof(rel), path, sizeof(path));
	pattern(f->seed, f->len, data, more);
	note("B %s\n", rel);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd == -1)
		err(1, "open %s", path);
	if (write(fd, data, more) != (ssize_t)more)
		err(1, "write %s", path);
	if (fsync(fd) == -1)
		err(1, "fsync %s", path);
	close(fd);
	f->len += more;
	f->exists = true;
	note("C %s %llu %llu\n", rel, (unsigned long long)f->len,
	    (unsigned long long)f->seed);
	free(data);
}

static void
make_new(struct file *f)
{
	memset(f, 0, sizeof(*f));
	f->serial = ++work.serial;
	f->seed = rng_state = mix(rng_state);
	grow(f, 1 + below(6000));
}

static void
remove_file(struct file *f)
{
	char rel[256], path[1024];

	path_of(f->serial, rel, sizeof(rel), path, sizeof(path));
	note("B %s\n", rel);
	if (unlink(path) == -1)
		err(1, "unlink %s", path);
	sync_dir_of(path);
	note("G %s\n", rel);
	f->exists = false;
}

static void
rename_file(struct file *f)
{
	char rel[256], path[1024], rel2[256], path2[1024];
	unsigned serial = ++work.serial;

	path_of(f->serial, rel, sizeof(rel), path, sizeof(path));
	path_of(serial, rel2, sizeof(rel2), path2, sizeof(path2));
	note("B %s\n", rel);
	note("B %s\n", rel2);
	if (rename(path, path2) == -1)
		err(1, "rename %s", path);
	sync_dir_of(path);
	sync_dir_of(path2);
	f->serial = serial;
	note("G %s\n", rel);
	note("C %s %llu %llu\n", rel2, (unsigned long long)f->len,
	    (unsigned long long)f->seed);
}

static void
shared_line(void)
{
	char path[1024], line[128];
	int fd, n;

	snprintf(path, sizeof(path), "%s/shared/log", work.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd == -1)
		err(1, "open %s", path);
	n = snprintf(line, sizeof(line), "%s %u\n", work.name, ++work.line);
	if (write(fd, line, (size_t)n) != n || fsync(fd) == -1)
		err(1, "append %s", path);
	close(fd);
	note("L %s %u\n", work.name, work.line);
}

static void
run(void)
{
	char path[1024];
	struct file *f;

	snprintf(path, sizeof(path), "%s/%s", work.dir, work.name);
	if (mkdir(path, 0755) == -1 && errno != EEXIST)
		err(1, "mkdir %s", path);
	snprintf(path, sizeof(path), "%s/shared", work.dir);
	if (mkdir(path, 0755) == -1 && errno != EEXIST)
		err(1, "mkdir %s", path);
	for (;;) {
		f = &work.files[below(FILES)];
		if (!f->exists)
			make_new(f);
		else if (f->len > LEN_MAX)
			remove_file(f);
		else
			switch (below(8)) {
			case 0:
				remove_file(f);
				break;
			case 1:
			case 2:
				rename_file(f);
				break;
			case 3:
				shared_line();
				break;
			default:
				grow(f, 1 + below(9000));
			}
	}
}

/* --- the judge --------------------------------------------------------------- */

struct fact {
	char rel[128];
	char kind; /* 'B', 'C' or 'G': the last word about it */
	uint64_t len, seed;
};

static struct fact *facts;
static size_t nfacts;
static unsigned bad, checked;

static struct fact *
fact_of(const char *rel)
{
	size_t i;

	for (i = nfacts; i > 0; i--) {
		if (strcmp(facts[i - 1].rel, rel) == 0)
			return &facts[i - 1];
	}
	if (nfacts % 1024 == 0) {
		facts = realloc(facts, (nfacts + 1024) * sizeof(*facts));
		if (facts == NULL)
			err(1, NULL);
	}
	memset(&facts[nfacts], 0, sizeof(facts[0]));
	snprintf(facts[nfacts].rel, sizeof(facts[0].rel), "%s", rel);
	return &facts[nfacts++];
}

static void
complain(const char *rel, const char *what)
{
	if (bad++ < 20)
		printf("%s: %s\n", rel, what);
}

static void
check_content(const char *dir, const struct fact *f)
{
	static uint8_t want[1 << 20], got[1 << 20];
	char path[1024];
	ssize_t n;
	int fd;

	checked++;
	snprintf(path, sizeof(path), "%s/%s", dir, f->rel);
	fd = open(path, O_RDONLY);
	if (fd == -1) {
		complain(f->rel, strerror(errno));
		return;
	}
	n = read(fd, got, sizeof(got));
	close(fd);
	if (n < 0 || (uint64_t)n != f->len) {
		complain(f->rel, "another length than was fsynced");
		return;
	}
	pattern(f->seed, 0, want, (size_t)n);
	if (memcmp(want, got, (size_t)n) != 0)
		complain(f->rel, "other bytes than were fsynced");
}

static void
check_lines(const char *dir, const char *name, unsigned long acked)
{
	char path[1024], line[256], who[128];
	unsigned long n, last = 0, seen = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/shared/log", dir);
	f = fopen(path, "r");
	if (f == NULL) {
		if (acked > 0)
			complain("shared/log", strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%127s %lu", who, &n) != 2) {
			complain("shared/log", "a torn line");
			continue;
		}
		if (strcmp(who, name) != 0)
			continue;
		if (n != last + 1)
			complain("shared/log", "a line is missing or doubled");
		last = n;
		seen++;
	}
	fclose(f);
	checked++;
	if (seen < acked)
		complain("shared/log", "an fsynced line is missing");
}

static void
read_diary(const char *dir, const char *diary)
{
	unsigned long acked = 0, n;
	unsigned long long a, b;
	char line[512], rel[128], worker[128] = "";
	struct fact *f;
	FILE *in = fopen(diary, "r");

	if (in == NULL)
		err(1, "%s", diary);
	while (fgets(line, sizeof(line), in) != NULL) {
		/* The worker may have died inside its last line. */
		if (strchr(line, '\n') == NULL)
			break;
		if (sscanf(line, "L %127s %lu", worker, &n) == 2) {
			acked = n;
			continue;
		}
		a = b = 0;
		if (sscanf(line, "%*c %127s %llu %llu", rel, &a, &b) < 1)
			errx(1, "%s: strange line: %s", diary, line);
		f = fact_of(rel);
		f->kind = line[0];
		f->len = a;
		f->seed = b;
	}
	fclose(in);
	if (worker[0] != '\0')
		check_lines(dir, worker, acked);
}

static void
verify(const char *dir)
{
	char path[1024];
	struct stat st;
	size_t i;

	for (i = 0; i < nfacts; i++) {
		if (facts[i].kind == 'C')
			check_content(dir, &facts[i]);
		if (facts[i].kind != 'G')
			continue;
		checked++;
		snprintf(path, sizeof(path), "%s/%s", dir, facts[i].rel);
		if (lstat(path, &st) == 0)
			complain(facts[i].rel, "was removed, and is there");
	}
	printf("%u facts checked, %u wrong\n", checked, bad);
}

int
main(int argc, char **argv)
{
	int i;

	if (argc == 6 && strcmp(argv[1], "run") == 0) {
		work.dir = argv[2];
		work.name = argv[3];
		rng_state = strtoull(argv[4], NULL, 0);
		work.diary = open(argv[5], O_WRONLY | O_CREAT | O_APPEND, 0644);
		if (work.diary == -1)
			err(1, "%s", argv[5]);
		run();
	}
	if (argc >= 4 && strcmp(argv[1], "verify") == 0) {
		for (i = 3; i < argc; i++)
			read_diary(argv[2], argv[i]);
		verify(argv[2]);
		return checked == 0 || bad > 0;
	}
	fprintf(stderr,
	    "usage: fsload run DIR NAME SEED DIARY\n"
	    "       fsload verify DIR DIARY...\n");
	return 64;
}
