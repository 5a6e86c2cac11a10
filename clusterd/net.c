/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Data comes in runs: many datagrams of one size for one node.  The kernel
 * takes such a run in one piece and cuts it (UDP_SEGMENT), and gives several
 * that arrived together in one buffer (UDP_GRO); on the wire each is a
 * datagram of its own.  Where it cannot, they are sent one by one.
 *
 * The kernel says when each buffer came, by the wall clock, which somebody may
 * set at any time.  A datagram cannot be older than the moment at which its
 * socket was last seen empty: so much for the harm that this can do.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <unistd.h>

#include "core/wire.h"
#include "log.h"
#include "loop.h"
#include "net.h"

enum {
	BUFFER_MAX = 65536,
	SEND_BATCH = 256,
	RUN_MAX = 60,	   /* datagrams; the kernel's limit is 64 */
	RUN_BYTES = 60000, /* and that of one IP packet */
	CONTROL_MAX = 128
};

#define TELL_AGAIN_US UINT64_C(30000000)

/* When it came, and how large the pieces of a run are. */
_Static_assert(CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(int)) <=
	CONTROL_MAX,
    "room for both");

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* The kernel refuses what we send over a link. */
struct trouble {
	uint16_t node;	  /* the first it was noticed with; 0: all is well */
	bool told;	  /* since then */
	uint64_t told_at; /* us; 0: never */
	uint64_t lost;	  /* datagrams since then */
};

struct net {
	const struct conf *conf;
	unsigned nlinks;
	int fds[CONF_LINKS_MAX];
	struct address addrs[CONF_NODES_MAX][CONF_LINKS_MAX];

	/* one batch in */
	struct mmsghdr in[NET_BATCH];
	struct iovec in_iov[NET_BATCH];
	struct sockaddr_storage from[NET_BATCH];
	char control[NET_BATCH][CONTROL_MAX];
	uint8_t *space; /* NET_BATCH * BUFFER_MAX */

	struct {
		struct action *act[SEND_BATCH];
		unsigned n;
	} out[CONF_LINKS_MAX];
	bool plain[CONF_LINKS_MAX];	/* the kernel takes no runs */
	uint64_t empty[CONF_LINKS_MAX]; /* us; nothing waited then; 0: never */

	struct trouble trouble[CONF_LINKS_MAX];

	struct net_stats stats;
};

bool
net_address(const char *text, uint16_t port, struct sockaddr_storage *ss,
    socklen_t *len)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1) {
		sin.sin_port = htons(port);
		memcpy(ss, &sin, sizeof(sin));
		*len = sizeof(sin);
		return true;
	}
	if (inet_pton(AF_INET6, text, &sin6.sin6_addr) == 1) {
		sin6.sin6_port = htons(port);
		memcpy(ss, &sin6, sizeof(sin6));
		*len = sizeof(sin6);
		return true;
	}
	return false;
}

struct net *
net_new(const struct conf *conf)
{
	struct net *n = calloc(1, sizeof(*n));
	unsigned i, l;

	if (n == NULL)
		return NULL;
	n->conf = conf;
	n->nlinks = conf->nlinks;
	for (l = 0; l < CONF_LINKS_MAX; l++)
		n->fds[l] = -1;
	n->space = calloc(NET_BATCH, BUFFER_MAX);
	if (n->space == NULL) {
		free(n);
		return NULL;
	}
	for (i = 0; i < conf->nnodes; i++) {
		for (l = 0; l < conf->nodes[i].nlinks; l++) {
			struct address *a = &n->addrs[i][l];

			if (!net_address(conf->nodes[i].links[l], conf->port,
				&a->sa, &a->len)) {
				net_free(n);
				return NULL;
			}
		}
	}
	return n;
}

void
net_free(struct net *n)
{
	unsigned i, k;

	if (n == NULL)
		return;
	for (i = 0; i < CONF_LINKS_MAX; i++) {
		for (k = 0; k < n->out[i].n; k++)
			free(n->out[i].act[k]);
		if (n->fds[i] != -1)
			close(n->fds[i]);
	}
	free(n->space);
	free(n);
}

bool
net_socket(struct net *n, unsigned link, int fd)
{
	if (link >= n->nlinks)
		return false;
	if (n->fds[link] != -1)
		close(n->fds[link]);
	n->fds[link] = fd;
	n->plain[link] = false;
	n->empty[link] = 0;
	return true;
}

int
net_fd(const struct net *n, unsigned link)
{
	return link < CONF_LINKS_MAX ? n->fds[link] : -1;
}

static bool
same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	struct sockaddr_in a4, b4;
	struct sockaddr_in6 a6, b6;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET) {
		memcpy(&a4, a, sizeof(a4));
		memcpy(&b4, b, sizeof(b4));
		return a4.sin_addr.s_addr == b4.sin_addr.s_addr;
	}
	memcpy(&a6, a, sizeof(a6));
	memcpy(&b6, b, sizeof(b6));
	return memcmp(&a6.sin6_addr, &b6.sin6_addr, sizeof(a6.sin6_addr)) == 0;
}

/*
 * Only counted: the key decides who a datagram is from, and an address may be
 * rewritten on the way.
 */
static bool
known(const struct net *n, unsigned link, const struct sockaddr_storage *from)
{
	unsigned i;

	for (i = 0; i < n->conf->nnodes; i++)
		if (same_host(&n->addrs[i][link].sa, from))
			return true;
	return false;
}

/* The size that the kernel joined datagrams of; 0: it is a single one. */
static size_t
joined(struct msghdr *mh)
{
	struct cmsghdr *c;
	int size;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		return size > 0 ? (size_t)size : 0;
	}
	return 0;
}

uint64_t
net_moment(uint64_t stamp, uint64_t wall, uint64_t boot, uint64_t since)
{
	uint64_t age;

	if (stamp > wall)
		return 0;
	age = wall - stamp;
	if (age > EVENT_WAIT_MAX || age >= boot)
		return 0;
	return MIN(MAX(boot - age, since), boot);
}

/* The kernel's stamp in us of the wall clock; 0: none. */
static uint64_t
stamped(struct msghdr *mh)
{
	struct timespec ts;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_TIMESTAMPNS ||
		    c->cmsg_len < CMSG_LEN(sizeof(ts)))
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		if (ts.tv_sec <= 0)
			return 0;
		return (uint64_t)ts.tv_sec * 1000000 +
		    (uint64_t)ts.tv_nsec / 1000;
	}
	return 0;
}

static void
hand_over(struct net *n, unsigned link, unsigned i, uint64_t at,
    void (*fn)(void *, unsigned, uint64_t, const uint8_t *, size_t), void *arg)
{
	const uint8_t *p = n->in_iov[i].iov_base;
	size_t left = n->in[i].msg_len, size = joined(&n->in[i].msg_hdr), len;

	if (size == 0)
		size = left;
	do {
		len = MIN(size, left);
		n->stats.received++;
		fn(arg, link, at, p, len);
		p += len;
		left -= len;
	} while (left > 0);
}

unsigned
net_receive(struct net *n, unsigned link,
    void (*fn)(void *, unsigned, uint64_t, const uint8_t *, size_t), void *arg)
{
	uint64_t wall, boot, before, since, stamp;
	int got, i;

	if (link >= n->nlinks || n->fds[link] == -1)
		return 0;
	for (i = 0; i < NET_BATCH; i++) {
		n->in_iov[i].iov_base = n->space + (size_t)i * BUFFER_MAX;
		n->in_iov[i].iov_len = BUFFER_MAX;
		memset(&n->in[i], 0, sizeof(n->in[i]));
		n->in[i].msg_hdr.msg_iov = &n->in_iov[i];
		n->in[i].msg_hdr.msg_iovlen = 1;
		n->in[i].msg_hdr.msg_name = &n->from[i];
		n->in[i].msg_hdr.msg_namelen = sizeof(n->from[i]);
		n->in[i].msg_hdr.msg_control = n->control[i];
		n->in[i].msg_hdr.msg_controllen = sizeof(n->control[i]);
	}
	before = clock_boot_us();
	got = recvmmsg(n->fds[link], n->in, NET_BATCH, MSG_DONTWAIT, NULL);
	/* In this order a delay between them makes it younger, not older. */
	wall = clock_wall_us();
	boot = clock_boot_us();
	since = n->empty[link];
	if (got < NET_BATCH && (got > 0 || errno == EAGAIN))
		n->empty[link] = before;
	/* An error that a network reported is taken by this very call. */
	if (got <= 0)
		return 0;
	for (i = 0; i < got; i++) {
		if ((n->in[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
			n->stats.received++;
			n->stats.truncated++;
			continue;
		}
		if (!known(n, link, &n->from[i]))
			n->stats.stranger++;
		stamp = stamped(&n->in[i].msg_hdr);
		hand_over(n, link, (unsigned)i,
		    stamp == 0 ? 0 : net_moment(stamp, wall, boot, since), fn,
		    arg);
	}
	return (unsigned)got;
}

/* ---- out -------------------------------------------------------------------- */

/* What one system call sends: messages, each of one or more datagrams. */
struct volley {
	unsigned n;
	struct mmsghdr mm[SEND_BATCH];
	unsigned count[SEND_BATCH]; /* datagrams of each */
	struct iovec iov[SEND_BATCH];
	union {
		struct cmsghdr head; /* for its alignment */
		char space[CMSG_SPACE(sizeof(uint16_t))];
	} control[SEND_BATCH];
};

/* Datagrams from the first on that the kernel can cut from one piece. */
static unsigned
run_length(const struct net *n, unsigned link, unsigned first)
{
	struct action *const *act = n->out[link].act + first;
	unsigned i, max = MIN(n->out[link].n - first, (unsigned)RUN_MAX);
	size_t bytes = act[0]->len;

	if (n->plain[link])
		return 1;
	for (i = 1; i < max; i++) {
		bytes += act[i]->len;
		/* The last one may be shorter, and then is the last. */
		if (act[i]->node != act[0]->node || bytes > RUN_BYTES ||
		    act[i]->len > act[0]->len || act[i - 1]->len != act[0]->len)
			break;
	}
	return i;
}

static void
add_message(struct net *n, unsigned link, struct volley *v, unsigned first,
    unsigned count)
{
	struct action *const *act = n->out[link].act + first;
	struct address *a =
	    &n->addrs[conf_node_index(n->conf, act[0]->node)][link];
	struct msghdr *mh = &v->mm[v->n].msg_hdr;
	struct cmsghdr *c;
	uint16_t size = (uint16_t)act[0]->len;
	unsigned i;

	memset(&v->mm[v->n], 0, sizeof(v->mm[v->n]));
	for (i = 0; i < count; i++) {
		v->iov[first + i].iov_base = act[i]->data;
		v->iov[first + i].iov_len = act[i]->len;
	}
	mh->msg_iov = &v->iov[first];
	mh->msg_iovlen = count;
	mh->msg_name = &a->sa;
	mh->msg_namelen = a->len;
	if (count > 1) {
		mh->msg_control = &v->control[v->n];
		mh->msg_controllen = sizeof(v->control[v->n].space);
		c = CMSG_FIRSTHDR(mh);
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
	}
	v->count[v->n++] = count;
}

/* What an operator would look at first. */
static const char *
likely(int error)
{
	switch (error) {
	case EINVAL: /* on Linux: the source is not ours */
	case EADDRNOTAVAIL:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "are our address and its interface still there?";
	case EMSGSIZE:
		return "packets of 1248 bytes must pass";
	case EPERM:
		return "does a packet filter forbid it?";
	default:
		return "is the interface in order?";
	}
}

/*
 * Said once for as long as it lasts.  A full queue is nothing new, and the
 * core tries sizes that may not fit.
 */
static void
refused(struct net *n, unsigned link, const struct action *act, int error)
{
	struct trouble *t = &n->trouble[link];
	uint64_t now = clock_boot_us();

	if (error == EAGAIN || error == ENOBUFS ||
	    (error == EMSGSIZE && act->len > WIRE_DATAGRAM_SAFE))
		return;
	t->lost++;
	if (t->node != 0)
		return;
	t->node = act->node;
	t->told = t->told_at == 0 || now - t->told_at >= TELL_AGAIN_US;
	if (!t->told)
		return;
	t->told_at = now;
	log_warnx("link %u: cannot send to node %u: %s; %s", link, act->node,
	    strerror(error), likely(error));
}

/* The kernel took a datagram for this node. */
static void
taken(struct net *n, unsigned link, uint16_t node)
{
	struct trouble *t = &n->trouble[link];

	if (t->node != node)
		return;
	if (t->told)
		log_info("link %u: can send again, after %llu datagrams were "
			 "lost",
		    link, (unsigned long long)t->lost);
	t->node = 0;
	t->lost = 0;
}

/*
 * Sends from datagram `from` on; returns the first one that was not tried.
 * What the kernel did not take is lost, unless it was for being a run: then
 * this link sends without runs from now on.
 */
static unsigned
send_from(struct net *n, unsigned link, unsigned from)
{
	struct volley v;
	unsigned i, k, done = 0;
	int rc;

	v.n = 0;
	for (i = from; i < n->out[link].n; i += k) {
		k = run_length(n, link, i);
		add_message(n, link, &v, i, k);
	}
	while (done < v.n) {
		rc = sendmmsg(n->fds[link], v.mm + done, v.n - done,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (rc == -1 && errno == EINTR)
			continue;
		for (k = 0; rc > 0 && k < (unsigned)rc; k++, done++) {
			n->stats.sent += v.count[done];
			n->stats.runs += v.count[done] > 1;
			taken(n, link, n->out[link].act[from]->node);
			from += v.count[done];
		}
		if (rc > 0)
			continue;
		if (v.count[done] > 1 &&
		    (errno == EIO || errno == EINVAL || errno == EMSGSIZE ||
			errno == ENOPROTOOPT || errno == EOPNOTSUPP)) {
			n->plain[link] = true;
			return from;
		}
		/* So that it was a run was not the reason. */
		n->plain[link] = false;
		/* This one is lost; the next may go elsewhere. */
		n->stats.unsendable += v.count[done];
		refused(n, link, n->out[link].act[from], errno);
		from += v.count[done++];
	}
	return from;
}

static void
flush_link(struct net *n, unsigned link)
{
	unsigned i = 0;

	while (i < n->out[link].n)
		i = send_from(n, link, i);
	for (i = 0; i < n->out[link].n; i++)
		free(n->out[link].act[i]);
	n->out[link].n = 0;
}

void
net_send(struct net *n, struct action *act)
{
	if (act->link >= n->nlinks || n->fds[act->link] == -1 ||
	    conf_node_index(n->conf, act->node) == -1) {
		n->stats.unsendable++;
		free(act);
		return;
	}
	if (n->out[act->link].n == SEND_BATCH)
		flush_link(n, act->link);
	n->out[act->link].act[n->out[act->link].n++] = act;
}

void
net_flush(struct net *n)
{
	unsigned link;

	for (link = 0; link < n->nlinks; link++)
		if (n->out[link].n > 0)
			flush_link(n, link);
}

const struct net_stats *
net_stats(const struct net *n)
{
	return &n->stats;
}
