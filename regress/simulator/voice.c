/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The beat process of a node (beat.h), in a quarter of the generated runs.  It
 * speaks while the engine does not run and the machine does, and says so when
 * the engine has ended; in the other runs a pause takes all of a machine, and
 * its end is that of its power.
 *
 * In calm times a node whose beat process speaks may sleep for nearly the stall
 * timeout, and INV_NAP holds.
 */

#include "core/beat.h"

#include "sim.h"

static bool
coin(struct sim *s)
{
	return rng_below(&s->vrng, 2) == 0;
}

void
voice_draw(struct sim *s)
{
	sim_generator(s, 2, 6, 5, &s->vrng);
	s->voices = s->generated && s->seed % 4 == 2 && !s->off[ST_VOICE];
}

/* Each datagram of it that anybody hears is one of beat.c's own counters. */
static void
speak(struct sim *s, unsigned i, struct actions *out)
{
	struct action *act;

	s->net.other = true;
	while ((act = actions_take(out)) != NULL) {
		sim_hash(s, act->data, act->len);
		net_send(s, i, (unsigned)node_index(s, act->node), act->link,
		    act->data, act->len);
		free(act);
	}
	s->net.other = false;
}

void
voice_keys(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	struct seal_gen keys[KEYRING_MAX];
	unsigned k;

	if (n->voice == NULL)
		return;
	memset(keys, 0, sizeof(keys));
	for (k = 0; k < n->file.n; k++) {
		keys[k].set = true;
		keys[k].gen = n->file.k[k].gen;
		seal_derive(&keys[k].key, n->file.k[k].key, SEAL_BEAT, n->id,
		    n->inc);
	}
	beat_keys(n->voice, keys);
}

static void
next_tick(struct sim *s, unsigned i)
{
	struct sim_event *e;

	e = heap_add(&s->heap,
	    s->now + s->nodes[i].conf->heartbeat_us + rng_below(&s->vrng, MS),
	    SE_VOICE);
	e->node = i;
	e->life = s->nodes[i].life;
}

void
voice_boot(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];

	if (!s->voices)
		return;
	n->voice = beat_new(n->conf, n->id, n->inc);
	ASSERT(n->voice != NULL);
	n->mute = false;
	n->rounds = 0;
	voice_keys(s, i);
	next_tick(s, i);
}

void
voice_tick(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	struct actions out;

	actions_init(&out);
	if (!n->mute)
		beat_tick(n->voice, node_local(s, i), n->rounds, &out);
	speak(s, i, &out);
	next_tick(s, i);
}

void
voice_pause(struct sim *s, unsigned i)
{
	s->nodes[i].mute = s->voices && !s->calm && coin(s);
}

void
voice_resume(struct sim *s, unsigned i)
{
	s->nodes[i].mute = false;
}

void
voice_end(struct sim *s, unsigned i, bool told)
{
	struct sim_node *n = &s->nodes[i];
	struct actions out;

	if (n->voice == NULL)
		return;
	actions_init(&out);
	if (told && !n->mute)
		beat_ended(n->voice, WE_EXIT, 1, &out);
	speak(s, i, &out);
	beat_free(n->voice);
	n->voice = NULL;
}

bool
voice_crash(struct sim *s)
{
	return s->voices && coin(s);
}
