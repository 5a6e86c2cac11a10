/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The options of quorum: as the file has them, and as an operator may set each
 * of them while the cluster runs.  Whole sets of them travel and are compared
 * here; what they come to with the votes of the day is in vote.c.
 *
 * A view has one set for all its members, and another one comes with another
 * primary view only.  Where nothing is given by an operator the set is that of
 * the file, and need not be told.
 *
 * clusterd-protocol(7), sections 6.1 and 8.9.
 */

#include <stdio.h>

#include "names.h"
#include "vote.h"

const char *
option_name(enum vote_option o)
{
	static const char *const names[] = { "wait_for_all", "two_node",
		"last_man_standing", "downscale", "tie_breaker",
		"device_votes" };

	return (unsigned)o < NITEMS(names) ? names[o] : NULL;
}

static bool
same_tie(const struct vote_options *a, const struct vote_options *b)
{
	return a->tie == b->tie && a->ntie == b->ntie &&
	    memcmp(a->tie_nodes, b->tie_nodes,
		a->ntie * sizeof(a->tie_nodes[0])) == 0;
}

bool
option_same(const struct vote_options *a, const struct vote_options *b,
    enum vote_option o)
{
	switch (o) {
	case OPT_WAIT_FOR_ALL:
		return a->wait_for_all == b->wait_for_all;
	case OPT_TWO_NODE:
		return a->two_node == b->two_node;
	case OPT_LAST_MAN:
		return a->last_man == b->last_man;
	case OPT_DOWNSCALE:
		return a->downscale == b->downscale;
	case OPT_TIE:
		return same_tie(a, b);
	case OPT_DEVICE:
		return a->device == b->device;
	case OPT_MAX:
		break;
	}
	return true;
}

bool
options_eq(const struct vote_options *a, const struct vote_options *b)
{
	unsigned o;

	for (o = 0; o < OPT_MAX; o++) {
		if (!option_same(a, b, (enum vote_option)o))
			return false;
	}
	return a->known == b->known && a->given == b->given;
}

void
options_conf(const struct conf *conf, struct vote_options *o)
{
	memset(o, 0, sizeof(*o));
	o->known = true;
	o->wait_for_all = conf->wait_for_all;
	o->two_node = conf->two_node;
	o->last_man = conf->last_man_standing;
	o->downscale = conf->downscale;
	o->tie = conf->tie;
	o->ntie = conf->tie == TIE_LIST ? conf->ntie : 0;
	memcpy(o->tie_nodes, conf->tie_nodes,
	    o->ntie * sizeof(o->tie_nodes[0]));
	o->device = conf->qdevice.votes;
}

void
options_give(struct vote_options *to, const struct vote_options *from,
    enum vote_option o)
{
	switch (o) {
	case OPT_WAIT_FOR_ALL:
		to->wait_for_all = from->wait_for_all;
		break;
	case OPT_TWO_NODE:
		to->two_node = from->two_node;
		break;
	case OPT_LAST_MAN:
		to->last_man = from->last_man;
		break;
	case OPT_DOWNSCALE:
		to->downscale = from->downscale;
		break;
	case OPT_TIE:
		to->tie = from->tie;
		to->ntie = from->ntie;
		memcpy(to->tie_nodes, from->tie_nodes, sizeof(to->tie_nodes));
		break;
	case OPT_DEVICE:
		to->device = from->device;
		break;
	case OPT_MAX:
		return;
	}
	to->given |= (uint8_t)(1u << o);
}

void
options_over(const struct conf *conf, const struct vote_options *given,
    struct vote_options *to)
{
	unsigned o;

	options_conf(conf, to);
	for (o = 0; o < OPT_MAX; o++) {
		if ((given->given >> o & 1) == 0)
			continue;
		/* The file has no device any more. */
		if (o == OPT_DEVICE && conf->qdevice.votes == 0)
			continue;
		options_give(to, given, (enum vote_option)o);
	}
}

static const char *
truth(bool b)
{
	return b ? "true" : "false";
}

static void
tie_text(const struct vote_options *opt, char *text, size_t size)
{
	if (opt->tie != TIE_LIST)
		strlcpy(text, conf_tie_name(opt->tie), size);
	else
		names_list(opt->tie_nodes, opt->ntie, " ", text, size);
}

void
option_text(const struct vote_options *opt, enum vote_option o, char *text,
    size_t size)
{
	switch (o) {
	case OPT_WAIT_FOR_ALL:
		strlcpy(text, truth(opt->wait_for_all), size);
		break;
	case OPT_TWO_NODE:
		strlcpy(text, truth(opt->two_node), size);
		break;
	case OPT_LAST_MAN:
		strlcpy(text, truth(opt->last_man), size);
		break;
	case OPT_DOWNSCALE:
		strlcpy(text, truth(opt->downscale), size);
		break;
	case OPT_TIE:
		tie_text(opt, text, size);
		break;
	case OPT_DEVICE:
		snprintf(text, size, "%u", opt->device);
		break;
	case OPT_MAX:
		text[0] = '\0';
		break;
	}
}

bool
vote_number(const char *s, uint32_t max, uint32_t *v)
{
	if (*s == '\0')
		return false;
	for (*v = 0; *s >= '0' && *s <= '9' && *v <= max; s++)
		*v = *v * 10 + (uint32_t)(*s - '0');
	return *s == '\0' && *v <= max;
}

static bool
parse_truth(const char *value, bool *b)
{
	*b = strcmp(value, "true") == 0;
	return *b || strcmp(value, "false") == 0;
}

static bool
parse_tie_list(const struct conf *conf, const char *value,
    struct vote_options *opt, char *why, size_t size)
{
	const struct conf_node *cn;
	char name[CONF_NAME_MAX + 1];
	uint32_t id;
	size_t len;
	unsigned i;

	opt->tie = TIE_LIST;
	for (; *value != '\0'; value += len) {
		value += strspn(value, " ");
		len = strcspn(value, " ");
		if (len == 0)
			break;
		snprintf(name, sizeof(name), "%.*s",
		    (int)MIN(len, sizeof(name)), value);
		cn = conf_node_byname(conf, name);
		if (cn == NULL && vote_number(name, UINT16_MAX, &id))
			cn = conf_node(conf, (uint16_t)id);
		if (cn == NULL || len > CONF_NAME_MAX) {
			snprintf(why, size,
			    "tie_breaker is none, lowest, highest, or a list "
			    "of nodes, and \"%s\" is neither",
			    name);
			return false;
		}
		for (i = 0; i < opt->ntie; i++) {
			if (opt->tie_nodes[i] == cn->id) {
				snprintf(why, size, "%s is listed twice", name);
				return false;
			}
		}
		opt->tie_nodes[opt->ntie++] = cn->id;
	}
	return true;
}

static bool
parse_tie(const struct conf *conf, const char *value, struct vote_options *opt,
    char *why, size_t size)
{
	unsigned t;

	for (t = TIE_NONE; t < TIE_LIST; t++) {
		if (strcmp(value, conf_tie_name((enum conf_tie)t)) == 0) {
			opt->tie = (enum conf_tie)t;
			return true;
		}
	}
	return parse_tie_list(conf, value, opt, why, size);
}

static bool
parse_device(const struct conf *conf, const char *value,
    struct vote_options *opt, char *why, size_t size)
{
	uint32_t votes;

	if (conf->qdevice.votes == 0) {
		strlcpy(why,
		    "the configuration has no quorum device whose votes could "
		    "be changed",
		    size);
		return false;
	}
	if (!vote_number(value, UINT8_MAX, &votes)) {
		strlcpy(why, "device_votes needs a number, 0 to 255", size);
		return false;
	}
	opt->device = (uint8_t)votes;
	return true;
}

static bool
parse_value(const struct conf *conf, enum vote_option which, const char *value,
    struct vote_options *opt, char *why, size_t size)
{
	bool ok = false, b;

	if (which == OPT_TIE)
		return parse_tie(conf, value, opt, why, size);
	if (which == OPT_DEVICE)
		return parse_device(conf, value, opt, why, size);
	ok = parse_truth(value, &b);
	if (which == OPT_WAIT_FOR_ALL)
		opt->wait_for_all = b;
	else if (which == OPT_TWO_NODE)
		opt->two_node = b;
	else if (which == OPT_LAST_MAN)
		opt->last_man = b;
	else
		opt->downscale = b;
	if (!ok)
		snprintf(why, size, "%s is true or false", option_name(which));
	return ok;
}

bool
option_parse(const struct conf *conf, const char *text,
    struct vote_options *opt, enum vote_option *which, char *why, size_t size)
{
	size_t len = strcspn(text, " ");
	const char *value = text + len + strspn(text + len, " ");
	unsigned o;

	memset(opt, 0, sizeof(*opt));
	opt->known = true;
	for (o = 0; o < OPT_MAX; o++) {
		if (strlen(option_name((enum vote_option)o)) == len &&
		    strncmp(text, option_name((enum vote_option)o), len) == 0)
			break;
	}
	if (o == OPT_MAX) {
		snprintf(why, size,
		    "there is no option \"%.*s\"; there are wait_for_all, "
		    "two_node, last_man_standing, downscale, tie_breaker, "
		    "device_votes",
		    (int)MIN(len, 32u), text);
		return false;
	}
	if (*value == '\0') {
		snprintf(why, size, "%s needs a value",
		    option_name((enum vote_option)o));
		return false;
	}
	*which = (enum vote_option)o;
	opt->given = (uint8_t)(1u << o);
	return parse_value(conf, *which, value, opt, why, size);
}

/* Only fencing decides with two_node; the file is checked for the same. */
static bool
two_node_fits(const struct conf *conf, const struct vote_options *opt,
    const struct electorate *e, char *why, size_t size)
{
	const struct conf_node *cn;
	const char *other = opt->tie != TIE_NONE ? "tie_breaker" :
	    opt->last_man			 ? "last_man_standing" :
	    opt->downscale			 ? "downscale" :
						   NULL;
	unsigned i, voters = 0;

	if (other != NULL) {
		snprintf(why, size,
		    "%s cannot work with two_node, where one vote is enough: "
		    "take one of them back first",
		    other);
		return false;
	}
	for (i = 0; i < e->n; i++) {
		if (e->v[i].votes == 0)
			continue;
		if (e->v[i].node == VOTER_DEVICE) {
			strlcpy(why,
			    "two_node cannot work with votes of a quorum "
			    "device: first set device_votes 0",
			    size);
			return false;
		}
		voters++;
		cn = conf_node(conf, e->v[i].node);
		if (cn != NULL && cn->nlevels == 0) {
			snprintf(why, size,
			    "two_node needs fencing devices for both nodes, "
			    "and %s has none",
			    cn->name);
			return false;
		}
	}
	if (voters != 2)
		snprintf(why, size,
		    "two_node is for exactly two nodes with votes, here are %u",
		    voters);
	return voters == 2;
}

bool
options_fit(const struct conf *conf, const struct vote_options *opt,
    const struct electorate *e, char *why, size_t size)
{
	const struct conf_node *cn;
	const struct voter *v;
	unsigned i;

	for (i = 0; opt->tie == TIE_LIST && i < opt->ntie; i++) {
		v = electorate_voter(e, opt->tie_nodes[i]);
		if (v != NULL && v->votes > 0)
			continue;
		cn = conf_node(conf, opt->tie_nodes[i]);
		snprintf(why, size, "%s has no vote, and cannot break a tie",
		    cn == NULL ? "a node that is gone" : cn->name);
		return false;
	}
	return !opt->two_node || two_node_fits(conf, opt, e, why, size);
}

bool
options_rule(const struct electorate *e)
{
	const struct vote_options *o = &e->opt;

	return e->dynamic == o->last_man &&
	    e->downscale == (o->downscale || o->last_man) &&
	    (o->two_node || !e->two_node) &&
	    (o->tie != TIE_NONE || e->tie == 0);
}

void
options_put(struct wbuf *w, const struct vote_options *o)
{
	unsigned i;

	wbuf_u8(w, o->given);
	wbuf_u8(w,
	    (uint8_t)(o->wait_for_all | o->two_node << 1 | o->last_man << 2 |
		o->downscale << 3));
	wbuf_u8(w, (uint8_t)o->tie);
	wbuf_u8(w, o->device);
	wbuf_u32(w, o->ntie);
	for (i = 0; i < o->ntie; i++)
		wbuf_u16(w, o->tie_nodes[i]);
}

void
options_get(struct rbuf *r, struct vote_options *o)
{
	unsigned flags, i;

	memset(o, 0, sizeof(*o));
	o->given = (uint8_t)(rbuf_u8(r) & ((1u << OPT_MAX) - 1));
	flags = rbuf_u8(r);
	o->wait_for_all = (flags & 1) != 0;
	o->two_node = (flags & 2) != 0;
	o->last_man = (flags & 4) != 0;
	o->downscale = (flags & 8) != 0;
	o->tie = (enum conf_tie)rbuf_u8(r);
	o->device = rbuf_u8(r);
	o->ntie = rbuf_count(r, CONF_NODES_MAX);
	for (i = 0; i < o->ntie; i++) {
		o->tie_nodes[i] = rbuf_u16(r);
		if (o->tie_nodes[i] == 0)
			r->err = true;
	}
	if (o->tie > TIE_LIST || (o->tie == TIE_LIST) != (o->ntie > 0))
		r->err = true;
	o->known = true;
	if (r->err)
		memset(o, 0, sizeof(*o));
}
