/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * "timers": what this node waits for, how long, and what comes then.  Those of
 * the file first, then those that follow from them.
 *
 * clusterd-protocol(7), section 4.1.
 */

#include <stdio.h>

#include "node_internal.h"
#include "show_row.h"

static void
timer(struct show *s, const char *name, uint64_t us, const char *from,
    const char *why)
{
	row_begin(s);
	row_str(s, "timer", name);
	row_u64(s, "us", us);
	row_str(s, "from", from);
	row_str(s, "why", why);
	row_end(s);
}

/* Of the profile, unless the file says something else. */
static void
given(struct show *s, const char *name, uint64_t us, uint64_t profile,
    const char *why)
{
	char from[64];

	if (us == profile)
		snprintf(from, sizeof(from), "profile %s",
		    conf_detect_name(s->nd->conf->detect));
	else
		strlcpy(from, "the file", sizeof(from));
	timer(s, name, us, from, why);
}

void
show_timers(struct show *s)
{
	const struct conf *c = s->nd->conf;
	struct conf usual = { .nnodes = 0 };

	conf_profile(&usual, c->detect);
	given(s, "heartbeat", c->heartbeat_us, usual.heartbeat_us,
	    "on each link to each node, one is sent that often");
	given(s, "failure_timeout", c->failure_timeout_us,
	    usual.failure_timeout_us,
	    "a node that is silent on all links for so long is lost; time in "
	    "which we did not run does not count");
	given(s, "stall_timeout", c->stall_timeout_us, usual.stall_timeout_us,
	    "so long is waited for an engine that does not run while its "
	    "machine answers, and for one that takes nothing of what is sent "
	    "to it");
	timer(s, "link_down", link_patience(s->nd->link),
	    "heartbeat and failure_timeout",
	    "a link on which nothing came for so long is down");
	timer(s, "lease", lease_length(c), "failure_timeout",
	    "so long after the others were heard last this node may believe "
	    "in its quorum, and not longer");
	timer(s, "proposal", member_step_limit(c), "failure_timeout",
	    "who does not answer the proposal of a view for so long is left "
	    "out of the next");
}
