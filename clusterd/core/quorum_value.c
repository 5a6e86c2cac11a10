/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What is in force next to what the file says: options of quorum, and votes of
 * nodes.  An operator's word holds until he takes it back, and a file may have
 * changed since the last view, so people are shown both.
 *
 * clusterd-protocol(7), section 8.9.
 */

#include <stdio.h>

#include "names.h"
#include "quorum_internal.h"

/* In a view that does not know options the rules tell what is in force. */
static void
in_force(const struct quorum *q, struct vote_options *o)
{
	const struct electorate *e = &q->info.elect;

	options_conf(q->conf, o);
	if (e->opt.known)
		*o = e->opt;
	else if (e->n > 0) {
		o->last_man = e->dynamic;
		o->downscale |= e->downscale && !e->dynamic;
	}
}

static void
option_value(const struct quorum *q, enum vote_option which,
    struct quorum_value *v)
{
	struct vote_options o, file;
	char raw[512];

	in_force(q, &o);
	options_conf(q->conf, &file);
	strlcpy(v->name, option_name(which), sizeof(v->name));
	option_text(&o, which, raw, sizeof(raw));
	names_put(q->conf, raw, v->text, sizeof(v->text));
	option_text(&file, which, raw, sizeof(raw));
	names_put(q->conf, raw, v->file, sizeof(v->file));
	v->given = (o.given >> which & 1) != 0;
	v->differs = !option_same(&o, &file, which);
}

static void
votes_value(const struct quorum *q, const struct conf_node *cn,
    struct quorum_value *v)
{
	const struct electorate *e = &q->info.elect;
	const struct voter *voter = electorate_voter(e, cn->id);
	unsigned votes = voter == NULL ? cn->votes : voter->votes;

	snprintf(v->name, sizeof(v->name), "votes of %s", cn->name);
	snprintf(v->text, sizeof(v->text), "%u", votes);
	snprintf(v->file, sizeof(v->file), "%u", cn->votes);
	v->differs = votes != cn->votes;
	v->given = e->set && v->differs;
}

static unsigned
noptions(const struct quorum *q)
{
	return q->conf->qdevice.votes > 0 ? OPT_MAX : OPT_DEVICE;
}

bool
quorum_value(const struct quorum *q, unsigned i, struct quorum_value *v)
{
	unsigned options = noptions(q);

	memset(v, 0, sizeof(*v));
	if (i < options)
		option_value(q, (enum vote_option)i, v);
	else if (i - options < q->conf->nnodes)
		votes_value(q, &q->conf->nodes[i - options], v);
	else
		return false;
	return true;
}

void
quorum_options(const struct quorum *q, char *text, size_t size)
{
	struct quorum_value v;
	char one[600];
	unsigned i;

	text[0] = '\0';
	for (i = 0; i < noptions(q) && quorum_value(q, i, &v); i++) {
		snprintf(one, sizeof(one), "%s%s: %s", i > 0 ? ", " : "",
		    v.name, v.text);
		strlcat(text, one, size);
	}
}

void
quorum_differs(const struct quorum *q, char *text, size_t size)
{
	const struct electorate *e = &q->info.elect;
	bool given = e->set || e->opt.given != 0;
	struct quorum_value v;
	char one[1200];
	unsigned i, n = 0;

	text[0] = '\0';
	for (i = 0; quorum_value(q, i, &v); i++) {
		if (!v.differs)
			continue;
		snprintf(one, sizeof(one), "%s%s: %s, in the file %s",
		    n++ > 0    ? "; " :
			!given ? "the file has changed: " :
				 "by order, back with quorum reset: ",
		    v.name, v.text, v.file);
		strlcat(text, one, size);
	}
}
