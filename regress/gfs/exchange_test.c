/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that volumes can be exchanged with the kernel's gfs2: it sees the
 * tree that thousands of our operations left, byte for byte, and can remove
 * it; we see the tree that it made, and can remove it, with the blocks of its
 * extended attributes.  fsck.gfs2 judges after each step.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "sh.h"
#include "volume.h"

#define IMG "vol.img"

/* Runs a line of shell in the kernel that has the volume mounted. */
static char *
kernel(const atf_tc_t *tc, const char *cmd)
{
	static char out[1 << 20];

	sh_kernel(atf_tc_get_config_var(tc, "srcdir"), IMG, "", cmd, out,
	    sizeof(out));
	return out;
}

/* The checksum that cksum(1) prints. */
static uint32_t
cksum(const uint8_t *p, size_t len)
{
	uint32_t crc = 0;
	size_t i, n;
	int k;

	for (i = 0, n = len; i < len || n > 0; i++) {
		uint8_t byte;

		if (i < len) {
			byte = p[i];
		} else {
			byte = (uint8_t)n;
			n >>= 8;
		}
		crc ^= (uint32_t)byte << 24;
		for (k = 0; k < 8; k++)
			crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7u : 0);
	}
	return ~crc;
}

/* "checksum size ./path" for every file, as find and cksum do it. */
static void
expected(struct mnode *dir, const char *path, FILE *f)
{
	char sub[1024];
	struct mnode *n;
	unsigned i;

	for (i = 0; i < dir->nents; i++) {
		n = dir->ents[i].node;
		snprintf(sub, sizeof(sub), "%s/%s", path, dir->ents[i].name);
		if (n->type == S_IFDIR)
			fprintf(f, "dir %u %s\n", n->nlink, sub);
		else if (n->type == S_IFLNK)
			fprintf(f, "link %s %s\n", n->target, sub);
		else if (n->type == S_IFREG)
			fprintf(f, "%u %zu %s\n", cksum(n->data, n->size),
			    n->size, sub);
		if (n->type == S_IFDIR)
			expected(n, sub, f);
	}
}

struct ours {
	struct model m;
	struct rnd r;
};

static void
our_operations(void *arg)
{
	struct ours *o = arg;
	struct gfs *fs = vol_mount(IMG);
	unsigned i;

	for (i = 0; i < 2500; i++)
		model_step(&o->m, fs, &o->r);
	vol_unmount(fs);
}

static void
to_kernel(const atf_tc_t *tc, unsigned bsize)
{
	struct ours o = { .r = { vol_seed(bsize) } };
	FILE *f;

	vol_make(IMG, 64, bsize, 1);
	model_init(&o.m);
	vol_run(our_operations, &o);
	vol_fsck(IMG);
	f = fopen("want", "w");
	ATF_REQUIRE(f != NULL);
	expected(o.m.root, ".", f);
	fclose(f);
	f = fopen("got", "w");
	ATF_REQUIRE(f != NULL);
	fputs(kernel(tc,
		  "cd $MNT && find . -type f -exec cksum {} + && "
		  "find . -mindepth 1 -type d -printf 'dir %n %p\\n' && "
		  "find . -type l -printf 'link %l %p\\n'"),
	    f);
	fclose(f);
	sh("sed -i '/^$/d' got && sort want >want.s && sort got >got.s && "
	   "diff want.s got.s && test -s want.s");
	vol_fsck(IMG);
	kernel(tc, "rm -r $MNT/* && sync && test -z \"$(ls -A $MNT)\"");
	vol_fsck(IMG);
	model_free(&o.m);
}

ATF_TC_WITHOUT_HEAD(to_kernel_4096);
ATF_TC_BODY(to_kernel_4096, tc)
{
	to_kernel(tc, 4096);
}

ATF_TC_WITHOUT_HEAD(to_kernel_512);
ATF_TC_BODY(to_kernel_512, tc)
{
	to_kernel(tc, 512);
}

static struct ginode *
walk(struct gfs *fs, const char *path)
{
	struct ginode *ip = gfs_root(fs), *next;
	char part[256];
	const char *end;

	for (; *path != '\0'; path = *end == '/' ? end + 1 : end) {
		end = strchrnul(path, '/');
		snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
		ATF_REQUIRE_EQ_MSG(0, gfs_lookup(ip, part, &next), "%s", path);
		gfs_iput(ip);
		ip = next;
	}
	return ip;
}

static void
expect_text(struct gfs *fs, const char *path, const char *text)
{
	struct ginode *ip = walk(fs, path);
	char buf[64];
	size_t n;

	ATF_REQUIRE_EQ(0, gfs_read(ip, buf, sizeof(buf) - 1, 0, &n));
	buf[n] = '\0';
	ATF_REQUIRE_STREQ(text, buf);
	gfs_iput(ip);
}

struct names {
	char v[2000][64];
	unsigned n;
};

static bool
collect(void *arg, const struct gfs_dirent *de)
{
	struct names *ns = arg;

	ATF_REQUIRE(ns->n < NITEMS(ns->v));
	if (strcmp(de->name, ".") != 0 && strcmp(de->name, "..") != 0)
		strlcpy(ns->v[ns->n++], de->name, sizeof(ns->v[0]));
	return true;
}

static unsigned
remove_all(struct ginode *dir)
{
	struct names *ns = calloc(1, sizeof(*ns));
	struct ginode *ip;
	unsigned i, count;
	int error;

	ATF_REQUIRE_EQ(0, gfs_readdir(dir, 0, collect, ns));
	count = ns->n;
	for (i = 0; i < ns->n; i++) {
		error = gfs_unlink(dir, ns->v[i]);
		if (error == EISDIR) {
			ATF_REQUIRE_EQ(0, gfs_lookup(dir, ns->v[i], &ip));
			count += remove_all(ip);
			gfs_iput(ip);
			error = gfs_rmdir(dir, ns->v[i]);
		}
		ATF_REQUIRE_EQ_MSG(0, error, "%s: %s", ns->v[i],
		    strerror(error));
	}
	free(ns);
	return count;
}

static void
kernel_tree(void *arg)
{
	struct gfs *fs = vol_mount(IMG);
	struct ginode *ip;
	struct stat st;
	char name[64], text[64], buf[600];
	unsigned i;
	size_t n;

	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "hashed/file number %u", i);
		snprintf(text, sizeof(text), "content %u\n", i);
		expect_text(fs, name, text);
	}
	ip = walk(fs, "a/link");
	ATF_REQUIRE_EQ(0, gfs_readlink(ip, buf, sizeof(buf)));
	ATF_REQUIRE_STREQ("../x", buf);
	gfs_iput(ip);
	ip = walk(fs, "a/dev");
	ATF_REQUIRE_EQ(0, gfs_getattr(ip, &st));
	ATF_REQUIRE(S_ISCHR(st.st_mode) && st.st_rdev == 0x506);
	gfs_iput(ip);
	ip = walk(fs, "big");
	ATF_REQUIRE_EQ(0, gfs_getattr(ip, &st));
	ATF_REQUIRE_EQ(3000000, st.st_size);
	for (i = 0; i < 3000000; i += 600) {
		ATF_REQUIRE_EQ(0, gfs_read(ip, buf, 600, i, &n));
		ATF_REQUIRE(n == 600 && memcmp(buf, "y\ny\n", 4) == 0 &&
		    memcmp(buf, buf + 4, 596) == 0);
	}
	gfs_iput(ip);
	ip = walk(fs, "sparse");
	ATF_REQUIRE_EQ(0, gfs_read(ip, buf, 100, 99999999, &n));
	ATF_REQUIRE(n == 4 && memcmp(buf, "\0end", 4) == 0);
	gfs_iput(ip);
	vol_unmount(fs);
}

static void
remove_kernel_tree(void *arg)
{
	fsblkcnt_t *want = arg;
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs);
	fsblkcnt_t left;

	ATF_REQUIRE(remove_all(root) > 500);
	gfs_iput(root);
	left = vol_free(fs);
	/* The root may keep the leaves that it grew. */
	ATF_REQUIRE_MSG(*want - left < 8, "%llu free, %llu at first",
	    (unsigned long long)left, (unsigned long long)*want);
	vol_unmount(fs);
}

static void
count_free(void *arg)
{
	struct gfs *fs = vol_mount(IMG);

	*(fsblkcnt_t *)arg = vol_free(fs);
	vol_unmount(fs);
}

/* Attributes of every form; values too large for some block sizes may fail. */
static const char attributes[] =
    "python3 -c \"\n"
    "import os\n"
    "def put(f, n, v):\n"
    "  try: os.setxattr(f, 'user.' + n, v)\n"
    "  except OSError: pass\n"
    "for f in ('ea1', 'ea2', 'ea3'): open(f, 'w').write('e' * 9000)\n"
    "put('ea1', 'small', b'v' * 50)\n"
    "put('ea2', 'large', b'B' * 60000)\n"
    "put('ea2', 'medium', b'B' * 6000)\n"
    "for i in range(60): put('ea3', 'k%d' % i, b'x' * (100 * i + 1))\n"
    "os.mkdir('eadir'); put('eadir', 'd', b'q' * 9000)\n"
    "\"";

static void
from_kernel(const atf_tc_t *tc, unsigned bsize)
{
	fsblkcnt_t before;
	char cmd[2000];

	vol_make(IMG, 100, bsize, 1);
	vol_run(count_free, &before);
	snprintf(cmd, sizeof(cmd),
	    "cd $MNT; mkdir hashed a a/b; "
	    "for i in $(seq 0 499); do echo content $i >\"hashed/file number "
	    "$i\"; done; ln -s ../x a/link; mknod a/dev c 5 6; mkfifo a/fifo; "
	    "yes | head -c 3000000 >big; "
	    "printf end | dd of=sparse bs=1 seek=100000000 2>/dev/null; "
	    "if command -v python3 >/dev/null; then %s; fi; sync",
	    attributes);
	kernel(tc, cmd);
	vol_fsck(IMG);
	vol_run(kernel_tree, NULL);
	vol_fsck(IMG);
	vol_run(remove_kernel_tree, &before);
	vol_fsck(IMG);
}

ATF_TC_WITHOUT_HEAD(from_kernel_4096);
ATF_TC_BODY(from_kernel_4096, tc)
{
	from_kernel(tc, 4096);
}

ATF_TC_WITHOUT_HEAD(from_kernel_512);
ATF_TC_BODY(from_kernel_512, tc)
{
	from_kernel(tc, 512);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, to_kernel_4096);
	ATF_TP_ADD_TC(tp, to_kernel_512);
	ATF_TP_ADD_TC(tp, from_kernel_4096);
	ATF_TP_ADD_TC(tp, from_kernel_512);
	return atf_no_error();
}
