/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The operator's orders about the key: what they mean, when they are refused,
 * and the way out.  Each is judged twice: when it is given, and by all members
 * alike when it has come back in the order.
 *
 * clusterd-protocol(7), section 8.10.
 */

#include <stdio.h>

#include "keys_internal.h"
#include "names.h"
#include "version.h"

static const struct {
	const char *cmd;
	enum keys_msg type;
} commands[] = {
	{ "key-add", KM_ADD },
	{ "key-use", KM_USE },
	{ "key-drop", KM_DROP },
	{ "key-abort", KM_ABORT },
};

/* Nodes, by name, as an answer has them. */
static void
put_names(const struct keys *k, const uint16_t *ids, unsigned n, char *text,
    size_t size)
{
	char raw[256];

	names_list(ids, n, ", ", raw, sizeof(raw));
	names_put(k->conf, raw, text, size);
}

static bool
is_member(const struct keys *k, uint16_t node)
{
	unsigned i;

	for (i = 0; i < k->n; i++)
		if (k->members[i].node == node)
			return true;
	return false;
}

/* Members that have not confirmed, or are not done with the old key. */
static void
late(const struct keys *k, bool quiet, char *text, size_t size)
{
	struct keys *w = (struct keys *)(uintptr_t)k;
	const struct keys_holder *m;
	uint16_t ids[CONF_NODES_MAX];
	unsigned i, n = 0;

	for (i = 0; i < k->n; i++) {
		m = &k->members[i];
		if (!keys_holds(k, m) ||
		    (quiet && keys_holder(w, m->node)->quiet != k->round))
			ids[n++] = m->node;
	}
	put_names(k, ids, n, text, size);
}

/* Configured nodes that are away, all or those that have never confirmed. */
static void
away(const struct keys *k, bool all, char *text, size_t size)
{
	struct keys *w = (struct keys *)(uintptr_t)k;
	uint16_t ids[CONF_NODES_MAX];
	unsigned i, n = 0;

	for (i = 0; i < k->conf->nnodes; i++)
		if (!is_member(k, k->conf->nodes[i].id) &&
		    (all || keys_holder(w, k->conf->nodes[i].id) == NULL))
			ids[n++] = k->conf->nodes[i].id;
	put_names(k, ids, n, text, size);
}

static bool
may_add(const struct keys *k, uint8_t gen, char *why, size_t size)
{
	if (keys_step(k) == KEYS_STEADY && keyring_later(gen, k->now.last) &&
	    keyring_later(gen, k->now.k[0].gen))
		return true;
	if (keys_step(k) == KEYS_ADDED)
		snprintf(why, size,
		    "generation %u is added already: go on with key use, or "
		    "give it up with key abort",
		    k->now.k[1].gen);
	else if (keys_step(k) == KEYS_USED)
		snprintf(why, size,
		    "generation %u is not dropped yet: key drop comes first",
		    k->now.k[0].gen);
	else
		snprintf(why, size, "another key was added and gone before");
	return false;
}

static bool
may_use(const struct keys *k, uint8_t gen, int *error, char *why, size_t size)
{
	char names[128];

	if (keys_step(k) != KEYS_ADDED || gen != k->now.k[1].gen) {
		snprintf(why, size, "%s",
		    keys_step(k) == KEYS_USED ?
			"the new key is used already: go on with key drop" :
			"there is no new key: key add comes first");
		return false;
	}
	late(k, false, names, sizeof(names));
#if MUTANT == 112
	return true;
#endif
	if (names[0] == '\0') /* K2 */
		return true;
	*error = SVC_AGAIN;
	snprintf(why, size,
	    "%s: not confirmed yet that generation %u is in the key file: try "
	    "again soon; if it stays so, its log says why",
	    names, gen);
	return false;
}

static bool
may_drop(const struct keys *k, uint8_t gen, bool absent, int *error, char *why,
    size_t size)
{
	char names[128];

	if (keys_step(k) != KEYS_USED || gen != k->now.k[0].gen) {
		snprintf(why, size, "%s",
		    keys_step(k) == KEYS_ADDED ?
			"the new key is not used yet: key use comes first" :
			"there is one key only: nothing to drop");
		return false;
	}
#if MUTANT == 113
	return true;
#endif
	late(k, true, names, sizeof(names));
	if (names[0] != '\0') { /* K4 */
		*error = SVC_AGAIN;
		snprintf(why, size,
		    "%s: generation %u was needed there until just now: try "
		    "again soon",
		    names, gen);
		return false;
	}
	away(k, false, names, sizeof(names));
	if (names[0] == '\0' || absent)
		return true;
	snprintf(why, size,
	    "%s: away, and without the new key: start it first; or key drop "
	    "absent, and copy the key file there before it starts",
	    names);
	return false;
}

/*
 * Whoever is away, or cannot write its file, may have nothing but the new key:
 * others went on without us, and dropped the old one.
 */
static bool
may_abort(const struct keys *k, uint8_t gen, int *error, char *why, size_t size)
{
	char names[128];

	if (keys_step(k) != KEYS_ADDED || gen != k->now.k[1].gen) {
		snprintf(why, size, "%s",
		    keys_step(k) == KEYS_USED ?
			"the new key is used already: go on with key drop; "
			"then another one can be added" :
			"there is no new key");
		return false;
	}
#if MUTANT == 116
	return true;
#endif
	if ((k->features & FEATURE_ABORT) == 0)
		return true;
	late(k, false, names, sizeof(names));
	if (names[0] != '\0') { /* K5 */
		*error = SVC_AGAIN;
		snprintf(why, size,
		    "%s: not confirmed yet that both keys are in the key file: "
		    "try again soon; if it stays so, its log says why",
		    names);
		return false;
	}
	away(k, true, names, sizeof(names));
	if (names[0] == '\0')
		return true;
	snprintf(why, size,
	    "%s: away, and maybe with generation %u alone: start it first; or "
	    "go on with key use",
	    names, gen);
	return false;
}

bool
keys_may(const struct keys *k, enum keys_msg type, uint8_t gen, bool absent,
    int *error, char *why, size_t size)
{
	*error = SVC_BUSY;
	switch (type) {
	case KM_ADD:
		return may_add(k, gen, why, size);
	case KM_USE:
		return may_use(k, gen, error, why, size);
	case KM_DROP:
		return may_drop(k, gen, absent, error, why, size);
	case KM_ABORT:
		return may_abort(k, gen, error, why, size);
	default:
		return false;
	}
}

void
keys_done_text(const struct keys *k, enum keys_msg type, char *text,
    size_t size)
{
	char names[128];

	away(k, false, names, sizeof(names));
	switch (type) {
	case KM_ADD:
		snprintf(text, size,
		    "generation %u is added; next: key use, once key shows it "
		    "on every node%s%s",
		    k->now.k[1].gen, names[0] == '\0' ? "" : "; away: ", names);
		break;
	case KM_USE:
		snprintf(text, size,
		    "generation %u is used; next: key drop, once key shows "
		    "every node done%s%s",
		    k->now.use,
		    names[0] == '\0' ? "" : "; away without it: ", names);
		break;
	default:
		snprintf(text, size, "generation %u is the only key",
		    k->now.use);
		break;
	}
}

/* "" or, for key-drop, "absent" */
static bool
parse(const struct note *note, enum keys_msg *type, bool *absent)
{
	char cmd[32], arg[32];
	struct rbuf r;
	unsigned i;

	rbuf_init(&r, note->data, note->len);
	rbuf_str(&r, cmd, sizeof(cmd));
	rbuf_str(&r, arg, sizeof(arg));
	if (!rbuf_done(&r))
		return false;
	for (i = 0; i < NITEMS(commands); i++) {
		if (strcmp(commands[i].cmd, cmd) != 0)
			continue;
		*type = commands[i].type;
		*absent = strcmp(arg, "absent") == 0;
		return arg[0] == '\0' || (*absent && *type == KM_DROP);
	}
	return false;
}

/* The generation that the order is about. */
static uint8_t
about(const struct keys *k, enum keys_msg type)
{
	if (type == KM_ADD)
		return (uint8_t)(k->now.last + 1);
	return k->now.k[type == KM_DROP || k->now.n == 1 ? 0 : 1].gen;
}

static void
give_order(struct keys *k, const struct note *note, enum keys_msg type,
    uint8_t gen, bool absent, struct bus *bus)
{
	uint8_t key[KEYRING_KEY_LEN];
	struct wbuf w;

	svc_put(&w, type, note->client, note->msgid);
	wbuf_u8(&w, gen);
	if (type == KM_ADD) {
		keys_make(k, key);
		wbuf_bytes(&w, key, sizeof(key));
		explicit_bzero(key, sizeof(key));
	}
	if (type == KM_DROP)
		wbuf_u8(&w, absent);
	(void)svc_order(&k->svc, note, &w, bus);
}

void
keys_request(struct keys *k, const struct note *note, struct bus *bus)
{
	enum keys_msg type;
	bool absent;
	uint8_t gen;
	char why[256];
	int error;

	if (!parse(note, &type, &absent)) {
		svc_refuse(note, bus, SVC_INVAL,
		    "keys are changed with add, use, drop and abort");
		return;
	}
	if (!k->primary || !k->svc.has_state) {
		svc_refuse(note, bus, SVC_AGAIN,
		    "this node is not in a quorate view: the key cannot be "
		    "changed now; see: quorum");
		return;
	}
	gen = about(k, type);
	if (keys_may(k, type, gen, absent, &error, why, sizeof(why)))
		give_order(k, note, type, gen, absent, bus);
	else
		svc_refuse(note, bus, error, why);
}
