/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * clusterd -q: makes the disk that the configuration names a quorum disk, and
 * says what is on it.
 *
 * The header is taken away first and written last: a disk that was made half
 * is no quorum disk.
 */

#include <sys/stat.h>

#include <blkid/blkid.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/device.h"
#include "qdisk.h"
#include "qdisk_format.h"

#define TRIES 4 /* of a read that met a write */

struct disk {
	const struct conf *conf;
	const char *path;
	int fd;
	bool regular;
	uint8_t *bytes; /* QDISK_SIZE */
};

/* A disk that a file system or a volume manager has is not for us (O_EXCL). */
static void
open_disk(struct disk *d, bool write)
{
	int flags = (write ? O_RDWR : O_RDONLY) | O_DSYNC | O_CLOEXEC;
	struct stat st;
	off_t size;

	if (stat(d->path, &st) == -1)
		err(EX_NOINPUT, "%s", d->path);
	d->regular = S_ISREG(st.st_mode);
	if (!d->regular && !S_ISBLK(st.st_mode))
		errx(EX_CONFIG, "%s is neither a disk nor a file", d->path);
	if (write && !d->regular)
		flags |= O_EXCL;
	d->fd = open(d->path, flags | O_DIRECT);
	if (d->fd == -1 && errno == EINVAL && d->regular)
		d->fd = open(d->path, flags);
	if (d->fd == -1 && errno == EBUSY)
		errx(EX_CANTCREAT,
		    "%s is in use: a mounted file system, or part of another "
		    "device",
		    d->path);
	if (d->fd == -1)
		err(EX_NOINPUT, "%s", d->path);
	size = lseek(d->fd, 0, SEEK_END);
	if (size < QDISK_SIZE)
		errx(EX_DATAERR, "%s has %lld KiB: a quorum disk needs %d",
		    d->path, (long long)size / 1024, QDISK_SIZE / 1024);
}

static void
read_disk(struct disk *d)
{
	size_t off = 0;
	ssize_t n;

	while (off < QDISK_SIZE) {
		n = pread(d->fd, d->bytes + off, QDISK_SIZE - off, (off_t)off);
		if (n == -1)
			err(EX_IOERR, "%s: read", d->path);
		if (n == 0)
			errx(EX_IOERR, "%s ends early", d->path);
		off += (size_t)n;
	}
}

static void
write_disk(const struct disk *d, size_t off, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = pwrite(d->fd, d->bytes + off, len, (off_t)off);
		if (n <= 0)
			err(EX_IOERR, "%s: write", d->path);
		off += (size_t)n;
		len -= (size_t)n;
	}
}

/* What others have put there; false: nothing that is known. */
static bool
known_signature(const struct disk *d, char *what, size_t size)
{
	const char *type = NULL;
	blkid_probe pr;
	int fd;

	what[0] = '\0';
	/* libblkid reads as it pleases, which O_DIRECT forbids. */
	fd = open(d->path, O_RDONLY | O_CLOEXEC);
	pr = blkid_new_probe();
	if (fd == -1 || pr == NULL)
		errx(EX_OSERR, "%s: it cannot be looked at", d->path);
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_enable_partitions(pr, 1);
	if (blkid_probe_set_device(pr, fd, 0, 0) == 0 &&
	    blkid_do_safeprobe(pr) == 0) {
		if (blkid_probe_lookup_value(pr, "TYPE", &type, NULL) == 0)
			snprintf(what, size, "%s", type);
		else if (blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL) ==
		    0)
			snprintf(what, size, "a partition table (%s)", type);
	}
	blkid_free_probe(pr);
	close(fd);
	return what[0] != '\0';
}

/* In words behind "holds"; false: the disk may be taken. */
static bool
holds(const struct disk *d, char *what, size_t size)
{
	char uuid[QDISK_UUID_TEXT];
	struct qdisk_header h;

	switch (qdisk_get_header(&h, d->bytes)) {
	case QDISK_OK:
		qdisk_uuid_text(h.uuid, uuid, sizeof(uuid));
		snprintf(what, size, "the quorum disk %s of cluster %s", uuid,
		    h.cluster);
		return true;
	case QDISK_LATER:
		strlcpy(what, "a quorum disk of a later version", size);
		return true;
	case QDISK_BROKEN:
		strlcpy(what, "a quorum disk with a damaged header", size);
		return true;
	case QDISK_ZEROS:
	case QDISK_OTHER:
		break;
	}
	return known_signature(d, what, size);
}

static int
make(struct disk *d, bool force)
{
	char what[256], uuid[QDISK_UUID_TEXT];
	struct qdisk_header h;

	open_disk(d, true);
	read_disk(d);
	if (holds(d, what, sizeof(what))) {
		if (!force)
			errx(EX_CANTCREAT,
			    "%s holds %s: nothing was written; if that is not "
			    "needed: clusterd -q replace",
			    d->path, what);
		printf("%s held %s\n", d->path, what);
	}
	memset(&h, 0, sizeof(h));
	randombytes_buf(h.uuid, sizeof(h.uuid));
	strlcpy(h.cluster, d->conf->cluster, sizeof(h.cluster));
	memset(d->bytes, 0, QDISK_SIZE);
	write_disk(d, 0, QDISK_BLOCK);
	write_disk(d, QDISK_BLOCK, QDISK_SIZE - QDISK_BLOCK);
	qdisk_put_header(&h, d->bytes);
	write_disk(d, 0, QDISK_BLOCK);
	if (fsync(d->fd) == -1)
		err(EX_IOERR, "%s", d->path);
	qdisk_uuid_text(h.uuid, uuid, sizeof(uuid));
	printf("%s is the quorum disk %s of cluster %s\n", d->path, uuid,
	    h.cluster);
	return 0;
}

static bool
any_damaged(const struct disk *d, const struct qdisk_header *h)
{
	struct qdisk_block b;
	uint16_t i;

	for (i = 1; i <= QDISK_BLOCKS; i++) {
		if (qdisk_get_block(&b, i, h->uuid,
			d->bytes + (size_t)i * QDISK_BLOCK) == QDISK_DAMAGED)
			return true;
	}
	return false;
}

static void
show_block(const struct disk *d, const struct qdisk_header *h, uint16_t i)
{
	const struct conf_node *n = conf_node(d->conf, i);
	struct device_block in;
	struct qdisk_block b;
	enum qdisk_state state;

	state =
	    qdisk_get_block(&b, i, h->uuid, d->bytes + (size_t)i * QDISK_BLOCK);
	if (state == QDISK_NEVER && n == NULL)
		return;
	printf("%5u  %-16s", i, n == NULL ? "(unknown)" : n->name);
	if (state == QDISK_NEVER)
		printf("  never written\n");
	else if (state == QDISK_DAMAGED)
		printf("  damaged\n");
	else if (!device_block_decode(&in, b.body, b.len))
		printf("  whole, but not understood (write %llu)\n",
		    (unsigned long long)b.seq);
	else
		printf("  %8llu  %8llu  %8llu  %8llu\n",
		    (unsigned long long)b.seq, (unsigned long long)in.promised,
		    (unsigned long long)in.accepted,
		    (unsigned long long)in.lost);
}

static int
show(struct disk *d)
{
	char why[512], uuid[QDISK_UUID_TEXT];
	struct qdisk_header h;
	unsigned tries = 0;
	uint16_t i;

	open_disk(d, false);
	do
		read_disk(d);
	while (qdisk_get_header(&h, d->bytes) == QDISK_OK &&
	    any_damaged(d, &h) && ++tries < TRIES);
	if (!qdisk_ours(&h, d->bytes, d->conf->cluster, d->path, why,
		sizeof(why)))
		errx(EX_DATAERR, "%s", why);
	qdisk_uuid_text(h.uuid, uuid, sizeof(uuid));
	printf("device   %s\ncluster  %s\nuuid     %s\n\n", d->path, h.cluster,
	    uuid);
	printf("   id  %-16s  %8s  %8s  %8s  %8s\n", "node", "writes",
	    "promised", "accepted", "lost");
	for (i = 1; i <= QDISK_BLOCKS; i++)
		show_block(d, &h, i);
	return 0;
}

int
qdisk_command(const char *what, const struct conf *conf)
{
	struct disk d = { .conf = conf, .path = conf->qdevice.path, .fd = -1 };
	int status;

	d.bytes = aligned_alloc(QDISK_BLOCK, QDISK_SIZE);
	if (d.bytes == NULL)
		err(EX_OSERR, NULL);
	if (strcmp(what, "init") == 0)
		status = make(&d, false);
	else if (strcmp(what, "replace") == 0)
		status = make(&d, true);
	else if (strcmp(what, "show") == 0)
		status = show(&d);
	else
		errx(EX_USAGE, "-q %s: init, replace or show", what);
	close(d.fd);
	free(d.bytes);
	return status;
}
