/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "net.h"

enum {
	DATAGRAM_MAX = 65536,
	SEND_BATCH = 64
};

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
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
	uint8_t *space; /* NET_BATCH * DATAGRAM_MAX */

	/* one batch out, of one link */
	struct action *out[SEND_BATCH];
	unsigned nout;
	unsigned out_link;

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
	n->space = calloc(NET_BATCH, DATAGRAM_MAX);
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
	unsigned i;

	if (n == NULL)
		return;
	for (i = 0; i < n->nout; i++)
		free(n->out[i]);
	for (i = 0; i < CONF_LINKS_MAX; i++)
		if (n->fds[i] != -1)
			close(n->fds[i]);
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

unsigned
net_receive(struct net *n, unsigned link,
    void (*fn)(void *, unsigned, const uint8_t *, size_t), void *arg)
{
	int got, i;

	if (link >= n->nlinks || n->fds[link] == -1)
		return 0;
	for (i = 0; i < NET_BATCH; i++) {
		n->in_iov[i].iov_base = n->space + (size_t)i * DATAGRAM_MAX;
		n->in_iov[i].iov_len = DATAGRAM_MAX;
		memset(&n->in[i], 0, sizeof(n->in[i]));
		n->in[i].msg_hdr.msg_iov = &n->in_iov[i];
		n->in[i].msg_hdr.msg_iovlen = 1;
		n->in[i].msg_hdr.msg_name = &n->from[i];
		n->in[i].msg_hdr.msg_namelen = sizeof(n->from[i]);
	}
	got = recvmmsg(n->fds[link], n->in, NET_BATCH, MSG_DONTWAIT, NULL);
	/* An error that a network reported is taken by this very call. */
	if (got <= 0)
		return 0;
	for (i = 0; i < got; i++) {
		n->stats.received++;
		if ((n->in[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
			n->stats.truncated++;
			continue;
		}
		if (!known(n, link, &n->from[i]))
			n->stats.stranger++;
		fn(arg, link, n->in_iov[i].iov_base, n->in[i].msg_len);
	}
	return (unsigned)got;
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
	if (n->nout == SEND_BATCH || (n->nout > 0 && n->out_link != act->link))
		net_flush(n);
	n->out_link = act->link;
	n->out[n->nout++] = act;
}

void
net_flush(struct net *n)
{
	struct mmsghdr mm[SEND_BATCH];
	struct iovec iov[SEND_BATCH];
	unsigned i, done = 0;
	int rc;

	memset(mm, 0, sizeof(mm));
	for (i = 0; i < n->nout; i++) {
		struct action *act = n->out[i];
		int node = conf_node_index(n->conf, act->node);
		struct address *a = &n->addrs[node][n->out_link];

		iov[i].iov_base = act->data;
		iov[i].iov_len = act->len;
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
		mm[i].msg_hdr.msg_name = &a->sa;
		mm[i].msg_hdr.msg_namelen = a->len;
	}
	while (done < n->nout) {
		rc = sendmmsg(n->fds[n->out_link], mm + done, n->nout - done,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (rc > 0) {
			n->stats.sent += (unsigned)rc;
			done += (unsigned)rc;
		} else if (rc == -1 && errno == EINTR)
			continue;
		else {
			/* This one is lost; the next may go elsewhere. */
			n->stats.unsendable++;
			done++;
		}
	}
	for (i = 0; i < n->nout; i++)
		free(n->out[i]);
	n->nout = 0;
}

const struct net_stats *
net_stats(const struct net *n)
{
	return &n->stats;
}
