/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that operations on a real volume do what they say: thousands of
 * random ones give the same results and the same tree as a model in memory,
 * directories grow through all their forms, a full volume is given back to
 * the last block, and after every unmount fsck.gfs2 finds nothing.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "volume.h"

#define IMG "vol.img"

struct random_run {
	struct model m;
	struct rnd r;
	unsigned steps;
};

static void
random_steps(void *arg)
{
	struct random_run *rr = arg;
	struct gfs *fs = vol_mount(IMG);
	unsigned i;

	for (i = 0; i < rr->steps; i++)
		model_step(&rr->m, fs, &rr->r);
	model_verify(&rr->m, fs);
	vol_unmount(fs);
}

static void
verify_again(void *arg)
{
	struct random_run *rr = arg;
	struct gfs *fs = vol_mount(IMG);

	model_verify(&rr->m, fs);
	vol_unmount(fs);
}

static void
random_volume(unsigned bsize, uint64_t seed, unsigned steps)
{
	struct random_run rr = { .r = { vol_seed(seed) }, .steps = steps };
	unsigned round;

	vol_make(IMG, 64, bsize, 1);
	model_init(&rr.m);
	for (round = 0; round < 3; round++) {
		vol_run(random_steps, &rr);
		vol_fsck(IMG);
	}
	vol_run(verify_again, &rr);
	vol_fsck(IMG);
	model_free(&rr.m);
	unlink(IMG);
}

ATF_TC_WITHOUT_HEAD(random_512);
ATF_TC_BODY(random_512, tc)
{
	random_volume(512, 1, 2000);
}

ATF_TC_WITHOUT_HEAD(random_1024);
ATF_TC_BODY(random_1024, tc)
{
	random_volume(1024, 2, 2000);
}

ATF_TC_WITHOUT_HEAD(random_4096);
ATF_TC_BODY(random_4096, tc)
{
	random_volume(4096, 3, 3000);
}

/* Many names in one directory, through all its forms and back. */
struct big {
	unsigned n;
	unsigned namelen;
};

static void
big_name(const struct big *b, unsigned i, char *buf)
{
	memset(buf, 'n', b->namelen);
	buf[b->namelen] = '\0';
	snprintf(buf, 12, "%08u", i);
	if (b->namelen > 8)
		buf[8] = '-';
}

static bool
count_entry(void *arg, const struct gfs_dirent *de)
{
	(*(unsigned *)arg)++;
	return true;
}

static void
big_fill(struct gfs *fs, struct ginode *dir, const struct big *b)
{
	struct ginode *ip;
	unsigned i, seen = 0;
	char name[256];
	int error;

	for (i = 0; i < b->n; i++) {
		big_name(b, i, name);
		error = gfs_create(dir, name, S_IFREG | 0600, 0, 0, NULL, NULL,
		    true, &ip);
		ATF_REQUIRE_MSG(error == 0, "%u: %s", i, strerror(error));
		gfs_iput(ip);
	}
	ATF_REQUIRE_EQ(0, gfs_readdir(dir, 0, count_entry, &seen));
	ATF_REQUIRE_EQ(b->n + 2, seen);
}

static void
big_directory(void *arg)
{
	const struct big *b = arg;
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *dir, *ip;
	fsblkcnt_t before = vol_free(fs);
	unsigned i;
	char name[256];

	ATF_REQUIRE_EQ(0,
	    gfs_create(root, "dir", S_IFDIR | 0700, 0, 0, NULL, NULL, true,
		&dir));
	big_fill(fs, dir, b);
	/* Every second one goes and comes back as a link to another. */
	for (i = 0; i + 1 < b->n; i += 2) {
		big_name(b, i, name);
		ATF_REQUIRE_EQ(0, gfs_unlink(dir, name));
		ATF_REQUIRE_EQ(ENOENT, gfs_lookup(dir, name, &ip));
		big_name(b, i + 1, name);
		ATF_REQUIRE_EQ(0, gfs_lookup(dir, name, &ip));
		big_name(b, i, name);
		ATF_REQUIRE_EQ(0, gfs_link(ip, dir, name));
		gfs_iput(ip);
	}
	ATF_REQUIRE_EQ(ENOTEMPTY, gfs_rmdir(root, "dir"));
	for (i = 0; i < b->n; i++) {
		big_name(b, i, name);
		ATF_REQUIRE_EQ(0, gfs_unlink(dir, name));
	}
	gfs_iput(dir);
	ATF_REQUIRE_EQ(0, gfs_rmdir(root, "dir"));
	gfs_iput(root);
	ATF_REQUIRE_EQ(before, vol_free(fs));
	vol_unmount(fs);
}

static void
big_leave(void *arg)
{
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs);

	big_fill(fs, root, arg);
	gfs_iput(root);
	vol_unmount(fs);
}

static void
big_volume(unsigned bsize, unsigned n, unsigned namelen)
{
	struct big b = { .n = n, .namelen = namelen };

	vol_make(IMG, 128, bsize, 1);
	vol_run(big_directory, &b);
	vol_fsck(IMG);
	vol_run(big_leave, &b);
	vol_fsck(IMG);
}

ATF_TC_WITHOUT_HEAD(big_directory_512);
ATF_TC_BODY(big_directory_512, tc)
{
	big_volume(512, 5000, 8);
}

ATF_TC_WITHOUT_HEAD(big_directory_1024);
ATF_TC_BODY(big_directory_1024, tc)
{
	big_volume(1024, 3000, 100);
}

ATF_TC_WITHOUT_HEAD(big_directory_4096);
ATF_TC_BODY(big_directory_4096, tc)
{
	big_volume(4096, 20000, 8);
}

ATF_TC_WITHOUT_HEAD(longest_names);
ATF_TC_BODY(longest_names, tc)
{
	big_volume(512, 300, 255);
}

/*
 * Four bytes that give the name a wanted crc32: the register is run back
 * from the end over the table's high bytes, which are all different.
 */
static void
collide(char *name, unsigned len, uint32_t want)
{
	uint32_t table[256], reg, back, c;
	unsigned i, k, idx[4];

	for (i = 0; i < 256; i++) {
		for (c = i, k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		table[i] = c;
	}
	for (reg = ~0u, i = 0; i < len; i++)
		reg = reg >> 8 ^ table[(reg ^ (uint8_t)name[i]) & 255];
	for (back = ~want, k = 4; k-- > 0;) {
		for (i = 0; table[i] >> 24 != back >> 24; i++)
			;
		idx[k] = i;
		back = (back ^ table[i]) << 8;
	}
	for (k = 0; k < 4; k++) {
		name[len + k] = (char)(uint8_t)((reg & 255) ^ idx[k]);
		reg = reg >> 8 ^ table[idx[k]];
	}
	name[len + 4] = '\0';
}

/* Names that all hash alike: the table doubles to its end, leaves chain. */
static void
collisions(void *arg)
{
	unsigned want = *(unsigned *)arg, i, made = 0, seen = 0;
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *dir, *ip;
	fsblkcnt_t before = vol_free(fs);
	char(*names)[16] = calloc(want, sizeof(*names));
	int error;

	ATF_REQUIRE_EQ(0,
	    gfs_create(root, "dir", S_IFDIR | 0700, 0, 0, NULL, NULL, true,
		&dir));
	for (i = 0; made < want; i++) {
		snprintf(names[made], 8, "%06u", i);
		collide(names[made], 6, 0x12345678u);
		if (strlen(names[made]) != 10 ||
		    strchr(names[made], '/') != NULL)
			continue;
		error = gfs_create(dir, names[made++], S_IFREG, 0, 0, NULL,
		    NULL, true, &ip);
		ATF_REQUIRE_MSG(error == 0, "%u: %s", made, strerror(error));
		gfs_iput(ip);
	}
	ATF_REQUIRE_EQ(0, gfs_readdir(dir, 0, count_entry, &seen));
	ATF_REQUIRE_EQ(want + 2, seen);
	for (i = 0; i < want; i += 2)
		ATF_REQUIRE_EQ(0, gfs_unlink(dir, names[i]));
	for (i = 0; i < want; i++) {
		error = gfs_lookup(dir, names[i], &ip);
		ATF_REQUIRE_EQ(i % 2 == 0 ? ENOENT : 0, error);
		if (error == 0)
			gfs_iput(ip);
	}
	gfs_iput(dir);
	gfs_iput(root);
	vol_unmount(fs);
	vol_fsck(IMG);
	/* And away with all of it, chains included. */
	fs = vol_mount(IMG);
	root = gfs_root(fs);
	ATF_REQUIRE_EQ(0, gfs_lookup(root, "dir", &dir));
	for (i = 1; i < want; i += 2)
		ATF_REQUIRE_EQ(0, gfs_unlink(dir, names[i]));
	gfs_iput(dir);
	ATF_REQUIRE_EQ(0, gfs_rmdir(root, "dir"));
	gfs_iput(root);
	ATF_REQUIRE_EQ(before, vol_free(fs));
	vol_unmount(fs);
	free(names);
}

ATF_TC_WITHOUT_HEAD(collisions_512);
ATF_TC_BODY(collisions_512, tc)
{
	unsigned n = 40;

	vol_make(IMG, 64, 512, 1);
	vol_run(collisions, &n);
	vol_fsck(IMG);
}

ATF_TC_WITHOUT_HEAD(collisions_4096);
ATF_TC_BODY(collisions_4096, tc)
{
	unsigned n = 400;

	vol_make(IMG, 64, 4096, 1);
	vol_run(collisions, &n);
	vol_fsck(IMG);
}

/* Full, and empty again, several times; the blocks come back. */
static void
fill_and_empty(void *arg)
{
	static uint8_t buf[100000];
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *ip;
	fsblkcnt_t before = vol_free(fs);
	unsigned round, i, n;
	char name[32];
	size_t put;
	int error;

	memset(buf, 'f', sizeof(buf));
	for (round = 0; round < 3; round++) {
		error = 0;
		for (n = 0; error == 0; n++) {
			snprintf(name, sizeof(name), "file%u", n);
			error = gfs_create(root, name, S_IFREG | 0600, 0, 0,
			    NULL, NULL, true, &ip);
			if (error != 0)
				break;
			error = gfs_write(ip, buf, sizeof(buf), 0, false, &put);
			gfs_iput(ip);
		}
		ATF_REQUIRE_EQ(ENOSPC, error);
		/* Nearly nothing may be left over. */
		ATF_REQUIRE_MSG(vol_free(fs) < 40, "%llu blocks free",
		    (unsigned long long)vol_free(fs));
		ATF_REQUIRE(n > 10);
		for (i = 0; i <= n; i++) {
			snprintf(name, sizeof(name), "file%u", i);
			error = gfs_unlink(root, name);
			ATF_REQUIRE(error == 0 || (error == ENOENT && i == n));
		}
		/* The root may keep the leaves that it grew. */
		ATF_REQUIRE(before - vol_free(fs) < 40);
	}
	gfs_iput(root);
	vol_unmount(fs);
}

ATF_TC_WITHOUT_HEAD(no_space);
ATF_TC_BODY(no_space, tc)
{
	static const unsigned sizes[] = { 512, 4096 };
	unsigned i;

	for (i = 0; i < NITEMS(sizes); i++) {
		vol_make(IMG, 20, sizes[i], 1);
		vol_run(fill_and_empty, NULL);
		vol_fsck(IMG);
	}
}

static void
random_full(void *arg)
{
	struct random_run *rr = arg;
	struct gfs *fs = vol_mount(IMG);
	fsblkcnt_t before = vol_free(fs);
	unsigned i;

	for (i = 0; i < rr->steps; i++)
		model_step(&rr->m, fs, &rr->r);
	ATF_REQUIRE_MSG(vol_free(fs) < before / 20,
	    "the volume did not get full: %llu of %llu",
	    (unsigned long long)vol_free(fs), (unsigned long long)before);
	model_verify(&rr->m, fs);
	vol_unmount(fs);
	vol_fsck(IMG);
	fs = vol_mount(IMG);
	model_clear(&rr->m, fs);
	ATF_REQUIRE(before - vol_free(fs) < 40);
	vol_unmount(fs);
}

ATF_TC_WITHOUT_HEAD(no_space_random);
ATF_TC_BODY(no_space_random, tc)
{
	struct random_run rr = { .r = { 11 }, .steps = 20000 };

	vol_make(IMG, 18, 1024, 1);
	model_init(&rr.m);
	rr.m.enospc = true;
	rr.m.maxfile = 1000000;
	vol_run(random_full, &rr);
	vol_fsck(IMG);
	model_free(&rr.m);
}

/* An open file lives on without a name, and goes with its last close. */
static void
open_without_name(void *arg)
{
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *ip;
	fsblkcnt_t before = vol_free(fs);
	struct stat st;
	uint8_t buf[9000];
	size_t n;

	memset(buf, 'u', sizeof(buf));
	ATF_REQUIRE_EQ(0,
	    gfs_create(root, "f", S_IFREG, 0, 0, NULL, NULL, true, &ip));
	ATF_REQUIRE_EQ(0, gfs_opened(ip));
	ATF_REQUIRE_EQ(0, gfs_write(ip, buf, sizeof(buf), 0, false, &n));
	ATF_REQUIRE_EQ(0, gfs_unlink(root, "f"));
	ATF_REQUIRE_EQ(0, gfs_getattr(ip, &st));
	ATF_REQUIRE_EQ(0u, st.st_nlink);
	ATF_REQUIRE_EQ(ENOENT, gfs_link(ip, root, "again"));
	ATF_REQUIRE_EQ(0, gfs_write(ip, buf, sizeof(buf), 0, true, &n));
	ATF_REQUIRE_EQ(0, gfs_read(ip, buf, sizeof(buf), 9000, &n));
	ATF_REQUIRE(n == sizeof(buf) && buf[8999] == 'u');
	gfs_closed(ip);
	ATF_REQUIRE_EQ(ESTALE, gfs_getattr(ip, &st));
	ATF_REQUIRE_EQ(before, vol_free(fs));
	gfs_iput(ip);
	gfs_iput(root);
	vol_unmount(fs);
}

ATF_TC_WITHOUT_HEAD(open_unlinked);
ATF_TC_BODY(open_unlinked, tc)
{
	vol_make(IMG, 32, 4096, 1);
	vol_run(open_without_name, NULL);
	vol_fsck(IMG);
}

/* Its user dies: the allocator finds it in a later mount. */
static void
leave_orphan(void *arg)
{
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *ip;
	uint8_t buf[50000];
	size_t n;

	memset(buf, 'o', sizeof(buf));
	ATF_REQUIRE_EQ(0,
	    gfs_create(root, "f", S_IFREG, 0, 0, NULL, NULL, true, &ip));
	ATF_REQUIRE_EQ(0, gfs_opened(ip));
	ATF_REQUIRE_EQ(0, gfs_write(ip, buf, sizeof(buf), 0, false, &n));
	ATF_REQUIRE_EQ(0, gfs_unlink(root, "f"));
	ATF_REQUIRE_EQ(0, gfs_fsync(ip, false));
	gfs_abort(fs, "the test pulls the plug");
	gfs_closed(ip);
	gfs_iput(ip);
	gfs_iput(root);
	(void)gfs_unmount(fs);
}

static void
find_orphan(void *arg)
{
	fsblkcnt_t *want = arg;
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *ip;

	if (*want == 0) {
		*want = vol_free(fs);
	} else {
		ATF_REQUIRE(vol_free(fs) < *want);
		ATF_REQUIRE_EQ(0,
		    gfs_create(root, "new", S_IFREG, 0, 0, NULL, NULL, true,
			&ip));
		gfs_iput(ip);
		ATF_REQUIRE_EQ(0, gfs_unlink(root, "new"));
		env_sleep(vol_env(), 1000000);
		ATF_REQUIRE_EQ(*want, vol_free(fs));
	}
	gfs_iput(root);
	vol_unmount(fs);
}

ATF_TC_WITHOUT_HEAD(orphan);
ATF_TC_BODY(orphan, tc)
{
	fsblkcnt_t want = 0;

	vol_make(IMG, 32, 4096, 1);
	vol_run(find_orphan, &want);
	vol_run(leave_orphan, NULL);
	vol_run(find_orphan, &want);
	vol_fsck(IMG);
}

/* A listing in portions shows once what was there all the time. */
struct portion {
	unsigned left;
	uint64_t next;
	unsigned *seen;
};

static bool
note(void *arg, const struct gfs_dirent *de)
{
	struct portion *p = arg;
	unsigned i;

	if (p->left-- == 0)
		return false;
	p->next = de->next;
	if (sscanf(de->name, "keep%u", &i) == 1)
		p->seen[i]++;
	return true;
}

static void
list_while_changing(void *arg)
{
	enum {
		KEEP = 400
	};
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *ip;
	unsigned seen[KEEP] = { 0 }, i, made = 0;
	struct portion p = { 0, 0, seen };
	char name[32];

	for (i = 0; i < KEEP; i++) {
		snprintf(name, sizeof(name), "keep%u", i);
		ATF_REQUIRE_EQ(0,
		    gfs_create(root, name, S_IFREG, 0, 0, NULL, NULL, true,
			&ip));
		gfs_iput(ip);
	}
	do {
		p.left = 7;
		ATF_REQUIRE_EQ(0, gfs_readdir(root, p.next, note, &p));
		/* Splits leaves and doubles the table meanwhile. */
		for (i = 0; i < 10; i++, made++) {
			snprintf(name, sizeof(name), "other%u", made);
			ATF_REQUIRE_EQ(0,
			    gfs_create(root, name, S_IFREG, 0, 0, NULL, NULL,
				true, &ip));
			gfs_iput(ip);
			snprintf(name, sizeof(name), "other%u", made / 2);
			if (made % 2 == 1)
				ATF_REQUIRE_EQ(0, gfs_unlink(root, name));
		}
		/* 7 shown and one refused: it goes on. */
	} while (p.left == UINT_MAX && made < 10000);
	ATF_REQUIRE(made < 10000);
	for (i = 0; i < KEEP; i++)
		ATF_REQUIRE_MSG(seen[i] == 1, "keep%u: %u times", i, seen[i]);
	gfs_iput(root);
	vol_unmount(fs);
}

ATF_TC_WITHOUT_HEAD(listing_while_changing);
ATF_TC_BODY(listing_while_changing, tc)
{
	vol_make(IMG, 32, 1024, 1);
	vol_run(list_while_changing, NULL);
	vol_fsck(IMG);
}

/* Holes at great offsets: every height of the tree. */
static void
write_sparse(void *arg)
{
	static const uint64_t offs[] = { 3ull << 50, 1ull << 45, 5ull << 36,
		1ull << 30, 70000, 100 };
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *ip;
	fsblkcnt_t before = vol_free(fs);
	struct stat st;
	unsigned i, k;
	char buf[16];
	size_t n;

	ATF_REQUIRE_EQ(0,
	    gfs_create(root, "s", S_IFREG, 0, 0, NULL, NULL, true, &ip));
	for (i = NITEMS(offs); i-- > 0;)
		ATF_REQUIRE_EQ(0,
		    gfs_write(ip, "0123456789", 10, offs[i], false, &n));
	ATF_REQUIRE_EQ(EFBIG, gfs_write(ip, "x", 1, INT64_MAX, false, &n));
	for (i = 0; i < NITEMS(offs); i++) {
		ATF_REQUIRE_EQ(0, gfs_read(ip, buf, 16, offs[i], &n));
		ATF_REQUIRE(n >= 10 && memcmp(buf, "0123456789", 10) == 0);
		ATF_REQUIRE_EQ(0, gfs_read(ip, buf, 16, offs[i] - 20, &n));
		for (k = 0; k < n; k++)
			ATF_REQUIRE_EQ('\0', buf[k]);
	}
	/* From the far end inwards; each cut leaves the rest alone. */
	for (i = 0; i + 1 < NITEMS(offs); i++) {
		st.st_size = (off_t)(offs[i + 1] + 10);
		ATF_REQUIRE_EQ(0, gfs_setattr(ip, &st, GFS_SET_SIZE));
		ATF_REQUIRE_EQ(0, gfs_read(ip, buf, 16, offs[i + 1], &n));
		ATF_REQUIRE(n == 10 && memcmp(buf, "0123456789", 10) == 0);
	}
	ATF_REQUIRE_EQ(0, gfs_getattr(ip, &st));
	ATF_REQUIRE(st.st_blocks < 200);
	gfs_iput(ip);
	ATF_REQUIRE_EQ(0, gfs_unlink(root, "s"));
	ATF_REQUIRE_EQ(before, vol_free(fs));
	gfs_iput(root);
	vol_unmount(fs);
}

ATF_TC_WITHOUT_HEAD(sparse);
ATF_TC_BODY(sparse, tc)
{
	static const unsigned sizes[] = { 512, 1024, 2048, 4096 };
	unsigned i;

	for (i = 0; i < NITEMS(sizes); i++) {
		vol_make(IMG, 32, sizes[i], 1);
		vol_run(write_sparse, NULL);
		vol_fsck(IMG);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, big_directory_512);
	ATF_TP_ADD_TC(tp, big_directory_1024);
	ATF_TP_ADD_TC(tp, big_directory_4096);
	ATF_TP_ADD_TC(tp, longest_names);
	ATF_TP_ADD_TC(tp, collisions_512);
	ATF_TP_ADD_TC(tp, collisions_4096);
	ATF_TP_ADD_TC(tp, no_space);
	ATF_TP_ADD_TC(tp, no_space_random);
	ATF_TP_ADD_TC(tp, open_unlinked);
	ATF_TP_ADD_TC(tp, orphan);
	ATF_TP_ADD_TC(tp, listing_while_changing);
	ATF_TP_ADD_TC(tp, sparse);
	ATF_TP_ADD_TC(tp, random_512);
	ATF_TP_ADD_TC(tp, random_1024);
	ATF_TP_ADD_TC(tp, random_4096);
	return atf_no_error();
}
