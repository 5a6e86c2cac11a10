/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The beat process: looks at the engine's count of rounds every heartbeat and
 * says what core/beat.c has to say.  It reads nothing from the network, holds
 * keys for this purpose alone, and lives in the engine's sandbox.
 *
 * BP1	That the engine has ended is said when it has, and not before: the others
 *	do not wait for its lease then.  The parent says so once it has reaped
 *	it; when the parent ends, the kernel kills the engine (proc_die_with_parent()),
 *	and the engine's own descriptor tells when that is done.
 */

#include <sys/mman.h>

#include <errno.h>
#include <unistd.h>

#include "clusterd.h"
#include "core/beat.h"
#include "log.h"
#include "net.h"
#include "proto.h"

static struct {
	struct loop *loop;
	struct ipc *parent;
	struct loop_timer *timer;
	struct wbuf conf_bytes;
	struct conf *conf;
	struct net *net;
	struct beat *beat; /* NULL until M_BEAT_START */
	const struct beat_page *page;
	int engine; /* pidfd of the engine; -1: not told */
	struct actions out;
} self;

static void
send_all(void)
{
	struct action *act;

	while ((act = actions_take(&self.out)) != NULL)
		net_send(self.net, act);
	net_flush(self.net);
}

static void
tick(void *arg)
{
	beat_tick(self.beat, clock_boot_us(), self.page->rounds, &self.out);
	send_all();
	loop_timer_set(self.timer, self.conf->heartbeat_us);
}

static void NORETURN
last_word(enum wire_end how, uint32_t number)
{
	if (self.beat != NULL) {
		beat_ended(self.beat, how, number, &self.out);
		send_all();
	}
	_exit(0);
}

static void
take_start(struct rbuf *r)
{
	uint16_t node = rbuf_u16(r);
	uint64_t incarnation = rbuf_u64(r);

	if (!rbuf_done(r) || self.conf == NULL || self.page == NULL ||
	    self.beat != NULL || conf_node(self.conf, node) == NULL)
		fatalx("parent: malformed M_BEAT_START");
	self.beat = beat_new(self.conf, node, incarnation);
	if (self.beat == NULL)
		fatalx("no memory");
	tick(NULL);
}

static void
take_keys(struct rbuf *r)
{
	struct seal_gen keys[KEYRING_MAX];
	unsigned i, n = rbuf_u8(r);

	memset(keys, 0, sizeof(keys));
	for (i = 0; i < n && i < KEYRING_MAX; i++) {
		keys[i].set = true;
		keys[i].gen = rbuf_u8(r);
		rbuf_bytes(r, keys[i].key.key, sizeof(keys[i].key.key));
	}
	if (!rbuf_done(r) || self.beat == NULL)
		fatalx("parent: malformed M_BEAT_KEYS");
	beat_keys(self.beat, keys);
	explicit_bzero(keys, sizeof(keys));
}

static void
take_page(int fd)
{
	void *p = mmap(NULL, sizeof(*self.page), PROT_READ, MAP_SHARED, fd, 0);

	close(fd);
	if (p == MAP_FAILED)
		fatalx("parent: the shared page cannot be used");
	self.page = p;
}

static void
take_link(struct rbuf *r, int fd)
{
	unsigned link = rbuf_u8(r);

	if (!rbuf_done(r) || self.net == NULL ||
	    !net_socket(self.net, link, fd))
		fatalx("parent: malformed M_LINK_FD");
}

static void
take_ended(struct rbuf *r)
{
	unsigned how = rbuf_u8(r);
	uint32_t number = rbuf_u32(r);

	if (!rbuf_done(r))
		fatalx("parent: malformed M_ENGINE_ENDED");
	last_word((enum wire_end)how, number);
}

static void
message(void *arg, const struct msg *m)
{
	bool takes_fd = m->type == M_LINK_FD || m->type == M_PAGE_FD ||
	    m->type == M_ENGINE_FD;
	struct rbuf r;

	if ((m->fd != -1) != takes_fd)
		fatalx("parent: message %u: descriptor %d", m->type, m->fd);
	rbuf_init(&r, m->data, m->len);
	switch (m->type) {
	case M_CONF:
		child_conf(&self.conf_bytes, m, &self.conf, &self.net);
		break;
	case M_LINK_FD:
		take_link(&r, m->fd);
		break;
	case M_PAGE_FD:
		take_page(m->fd);
		break;
	case M_ENGINE_FD:
		self.engine = m->fd;
		break;
	case M_BEAT_START:
		take_start(&r);
		break;
	case M_BEAT_KEYS:
		take_keys(&r);
		break;
	case M_ENGINE_ENDED:
		take_ended(&r);
		break;
	default:
		fatalx("parent: unexpected message %u", m->type);
	}
}

static void
engine_gone(void *arg, unsigned what)
{
	last_word(WE_PARENT, 0);
}

/*
 * The engine ends with the parent.  As long as it has not, nothing is said
 * (BP1), and a stall neither: nobody is left who could end it.
 */
static void
parent_lost(void *arg, int error)
{
	loop_timer_stop(self.timer);
	if (self.engine == -1)
		_exit(0);
	ipc_free(self.parent);
	(void)loop_io_new(self.loop, self.engine, LOOP_READ, engine_gone, NULL);
}

static const struct ipc_ops parent_ops = { .message = message,
	.lost = parent_lost };

void
beat_main(const struct proc_opts *o)
{
	self.loop = child_begin(ROLE_BEAT, o);
	proc_prompt();
	child_confine(ROLE_BEAT, o);
	actions_init(&self.out);
	self.engine = -1;
	wbuf_init(&self.conf_bytes, CONF_BYTES_MAX);
	self.timer = loop_timer_new(self.loop, tick, NULL);
	self.parent =
	    ipc_new(self.loop, PROC_FD, ENGINE_QUEUE, &parent_ops, NULL);
	loop_run(self.loop, NULL, NULL);
	fatalx("the loop ended");
}
