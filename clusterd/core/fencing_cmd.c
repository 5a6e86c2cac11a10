/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The operator's commands: fence NODE, fence-confirm NODE, node-leave NODE.
 * Each becomes an ordered message, so that every member decides on it alike;
 * the client is answered when the order, or the fence, has come to its end.
 */

#include <stdio.h>

#include "../proto.h"
#include "fencing_internal.h"

/* Error numbers of the local protocol; they are Linux's own. */
enum {
	ERR_NOENT = 2,
	ERR_AGAIN = 11,
	ERR_BUSY = 16,
	ERR_INVAL = 22
};

static const struct {
	const char *name;
	enum fence_msg cmd;
} commands[] = {
	{ "fence", FM_REQUEST },
	{ "fence-confirm", FM_CONFIRM },
	{ "node-leave", FM_LEAVE },
};

void
cmd_client_gone(struct fencing *f, uint64_t client)
{
	unsigned i = 0;

	while (i < f->nwaiters) {
		if (f->waiters[i].client == client)
			f->waiters[i] = f->waiters[--f->nwaiters];
		else
			i++;
	}
}

void
cmd_answer(struct fencing *f, uint16_t node, enum fence_msg cmd, int error,
    const char *text, struct bus *bus)
{
	struct fence_waiter w;
	unsigned i = 0;

	while (i < f->nwaiters) {
		w = f->waiters[i];
		if (w.node != node || w.cmd != cmd) {
			i++;
			continue;
		}
		f->waiters[i] = f->waiters[--f->nwaiters];
		bus_client_result(bus, w.client, w.msgid, error, "%s", text);
	}
}

static const struct victim *
waiting_victim(const struct fencing *f, uint16_t node)
{
	unsigned i;

	for (i = 0; i < f->n; i++) {
		if (f->v[i].node == node && f->v[i].state != FS_DONE)
			return &f->v[i];
	}
	return NULL;
}

/*
 * By name, or by number: that of a node that waits for its fence may not be in
 * the file any more.  0: neither.
 */
static uint16_t
lookup(const struct fencing *f, const char *arg)
{
	const struct conf_node *cn = conf_node_byname(f->conf, arg);
	unsigned id = 0;
	const char *p;

	if (cn != NULL)
		return cn->id;
	for (p = arg; *p >= '0' && *p <= '9' && id <= UINT16_MAX; p++)
		id = id * 10 + (unsigned)(*p - '0');
	if (p == arg || *p != '\0' || id > UINT16_MAX)
		return 0;
	if (conf_node(f->conf, (uint16_t)id) == NULL &&
	    waiting_victim(f, (uint16_t)id) == NULL)
		return 0;
	return (uint16_t)id;
}

/*
 * The incarnation the command is about, or a refusal: 0 and a sentence.
 */
static int
check_command(const struct fencing *f, enum fence_msg cmd, uint16_t node,
    uint64_t *inc, char *why, size_t whylen)
{
	const struct view_member *vm = view_find(&f->view, node);
	const struct victim *v = waiting_victim(f, node);
	int idx = conf_node_index(f->conf, node);
	char name[FENCING_NAME];

	fencing_name(f, node, name);

	*inc = vm == NULL ? 0 : vm->inc;
	switch (cmd) {
	case FM_CONFIRM:
		if (v == NULL) {
			snprintf(why, whylen, "node %s waits for no fence",
			    name);
			return ERR_NOENT;
		}
		if (idx >= 0 && f->session[idx] != 0) {
			snprintf(why, whylen,
			    "node %s is heard (incarnation %llu): it is not "
			    "off",
			    name, (unsigned long long)f->session[idx]);
			return ERR_BUSY;
		}
		*inc = v->inc;
		return 0;
	case FM_LEAVE:
		if (vm != NULL)
			return 0;
		snprintf(why, whylen, "node %s is not in the view", name);
		return ERR_NOENT;
	default:
		if (idx < 0) {
			snprintf(why, whylen,
			    "node %s is not in the configuration, and has no "
			    "fence device: confirm that it is off",
			    name);
			return ERR_NOENT;
		}
		if (f->view.n > 1 || vm == NULL)
			return 0;
		snprintf(why, whylen,
		    "no other node is there that could fence node %s", name);
		return ERR_BUSY;
	}
}

static void
begin(struct fencing *f, const struct note *note, enum fence_msg cmd,
    uint16_t node, struct bus *bus)
{
	struct fence_waiter *fw;
	char why[256];
	struct wbuf w;
	uint64_t inc;
	int error;

	if (!f->primary || !f->synced) {
		bus_client_result(bus, note->client, note->msgid, ERR_AGAIN,
		    "this node is not in a quorate view: the order cannot be "
		    "given now");
		return;
	}
	error = check_command(f, cmd, node, &inc, why, sizeof(why));
	if (error == 0 && f->nwaiters == FENCING_WAITERS) {
		error = ERR_AGAIN;
		strlcpy(why, "too many commands are under way", sizeof(why));
	}
	if (error != 0) {
		bus_client_result(bus, note->client, note->msgid, error, "%s",
		    why);
		return;
	}
	fw = &f->waiters[f->nwaiters++];
	fw->client = note->client;
	fw->msgid = note->msgid;
	fw->cmd = cmd;
	fw->node = node;
	wbuf_init(&w, 64);
	wbuf_u8(&w, (uint8_t)cmd);
	wbuf_u16(&w, node);
	wbuf_u64(&w, inc);
	fencing_order(bus, &w);
	wbuf_free(&w);
}

void
cmd_request(struct fencing *f, const struct note *note, struct bus *bus)
{
	char cmd[32], arg[64];
	uint16_t node;
	struct rbuf r;
	unsigned i;

	rbuf_init(&r, note->data, note->len);
	rbuf_str(&r, cmd, sizeof(cmd));
	rbuf_str(&r, arg, sizeof(arg));
	if (!rbuf_done(&r)) {
		bus_client_result(bus, note->client, note->msgid, ERR_INVAL,
		    "malformed command");
		return;
	}
	for (i = 0; i < NITEMS(commands); i++) {
		if (strcmp(commands[i].name, cmd) == 0)
			break;
	}
	if (i == NITEMS(commands)) {
		bus_client_result(bus, note->client, note->msgid, ERR_INVAL,
		    "unknown command \"%s\"", cmd);
		return;
	}
	node = lookup(f, arg);
	if (node == 0) {
		bus_client_result(bus, note->client, note->msgid, ERR_NOENT,
		    "no node \"%s\" is configured", arg);
		return;
	}
	begin(f, note, commands[i].cmd, node, bus);
}
