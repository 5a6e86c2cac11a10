/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A changed key file: magic (8 bytes), version u32, keyring (keyring.h), and a
 * BLAKE2b-256 over all of that.
 *
 * clusterd-protocol(7), section 2.3.
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "file.h"
#include "keyfile.h"

enum {
	KEYFILE_VERSION = 1,
	KEYFILE_SUM_LEN = 32
};

static const uint8_t magic[8] = { 'c', 'l', 's', 'k', 'e', 'y', 's', '\n' };

static void
checksum(uint8_t sum[KEYFILE_SUM_LEN], const void *p, size_t len)
{
	crypto_generichash(sum, KEYFILE_SUM_LEN, p, len, NULL, 0);
}

void
keyfile_encode(struct wbuf *w, const struct keyring *ring)
{
	uint8_t sum[KEYFILE_SUM_LEN];

	wbuf_bytes(w, magic, sizeof(magic));
	wbuf_u32(w, KEYFILE_VERSION);
	keyring_put(w, ring);
	checksum(sum, w->data, w->len);
	wbuf_bytes(w, sum, sizeof(sum));
}

bool
keyfile_decode(const uint8_t *data, size_t len, struct keyring *ring)
{
	uint8_t sum[KEYFILE_SUM_LEN], want[KEYFILE_SUM_LEN], m[sizeof(magic)];
	struct rbuf r;

	if (len == KEYRING_KEY_LEN) {
		keyring_plain(ring, data);
		return true;
	}
	rbuf_init(&r, data, len);
	rbuf_bytes(&r, m, sizeof(m));
	if (memcmp(m, magic, sizeof(magic)) != 0 ||
	    rbuf_u32(&r) != KEYFILE_VERSION || !keyring_get(&r, ring))
		return false;
	checksum(sum, data, r.off);
	rbuf_bytes(&r, want, sizeof(want));
	if (rbuf_done(&r) && memcmp(sum, want, sizeof(sum)) == 0)
		return true;
	keyring_forget(ring);
	return false;
}

static enum keyfile_error
refuse(enum keyfile_error how, char *why, size_t size, const char *path,
    const char *text)
{
	snprintf(why, size, "%s: %s", path, text);
	return how;
}

enum keyfile_error
keyfile_read(const char *path, struct keyring *ring, char *why, size_t size)
{
	uint8_t data[KEYFILE_MAX + 1];
	struct stat st;
	ssize_t n = -1;
	bool ok;
	int fd;

	memset(ring, 0, sizeof(*ring));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 && errno == ENOENT) {
		snprintf(why, size,
		    "%s: there is no cluster key: make it on one node (umask "
		    "077; head -c 32 /dev/urandom >%s) and copy it to the "
		    "others",
		    path, path);
		return KEYFILE_MISSING;
	}
	if (fd == -1)
		return refuse(KEYFILE_MISSING, why, size, path,
		    strerror(errno));
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		return refuse(KEYFILE_OPEN_TO_OTHERS, why, size, path,
		    "not a regular file");
	}
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		close(fd);
		snprintf(why, size,
		    "%s: others can read or write the cluster key (mode "
		    "%04o): chmod 600 %s",
		    path, (unsigned)(st.st_mode & 07777), path);
		return KEYFILE_OPEN_TO_OTHERS;
	}
	n = read(fd, data, sizeof(data));
	close(fd);
	if (n == -1)
		return refuse(KEYFILE_MISSING, why, size, path,
		    strerror(errno));
	ok = keyfile_decode(data, (size_t)n, ring);
	explicit_bzero(data, sizeof(data));
	if (ok)
		return KEYFILE_OK;
	snprintf(why, size,
	    "%s: a cluster key is exactly 32 bytes, or a file that clusterd "
	    "wrote; this one has %lld, and is neither: copy it from a node "
	    "that is in the cluster",
	    path, (long long)st.st_size);
	return KEYFILE_BAD;
}

int
keyfile_write(const char *path, const struct keyring *ring, char *why,
    size_t size)
{
	struct wbuf w;
	int rc = -1;

	wbuf_init(&w, KEYFILE_MAX);
	keyfile_encode(&w, ring);
	if (w.err)
		errno = ENOMEM;
	else
		rc = file_replace(path, w.data, w.len);
	if (rc == -1)
		snprintf(why, size, "%s: %s", path, strerror(errno));
	if (w.data != NULL)
		explicit_bzero(w.data, w.len);
	wbuf_free(&w);
	return rc;
}
