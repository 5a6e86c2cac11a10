/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Snapshots of levels and barriers that a leader should never have sent: each
 * ends the node that gets it, or leaves a state that keeps every invariant and
 * is given on as it came.  All that are too short, all with one byte altered,
 * and those with each rule broken on purpose.
 */

#include <atf-c.h>

#include "core/barrier.h"
#include "core/levels.h"
#include "proto.h"

#define SELF 1
#define INC  UINT64_C(77)

/* One of the two services. */
struct kind {
	void *(*make)(void);
	void (*note)(void *, const struct note *, struct bus *);
	void (*check)(const void *);
	void (*free)(void *);
};

static void *
make_levels(void)
{
	return levels_new(SELF, INC);
}

static void
note_levels(void *v, const struct note *n, struct bus *bus)
{
	levels_note(v, n, bus);
}

static void
check_levels(const void *v)
{
	levels_check(v);
}

static void
free_levels(void *v)
{
	levels_free(v);
}

static void *
make_barriers(void)
{
	return barriers_new(SELF, INC);
}

static void
note_barriers(void *v, const struct note *n, struct bus *bus)
{
	barriers_note(v, n, bus);
}

static void
check_barriers(const void *v)
{
	barriers_check(v);
}

static void
free_barriers(void *v)
{
	barriers_free(v);
}

static const struct kind levels = { make_levels, note_levels, check_levels,
	free_levels };
static const struct kind barriers = { make_barriers, note_barriers,
	check_barriers, free_barriers };

static struct note *
plain(enum note_type type, const uint8_t *data, size_t len)
{
	struct note *n = calloc(1, sizeof(*n) + len);

	ATF_REQUIRE(n != NULL);
	n->type = type;
	n->len = len;
	if (len > 0)
		memcpy(n->data, data, len);
	return n;
}

/* Is it given on byte for byte? */
static bool
same_again(const struct kind *k, void *service, const uint8_t *data, size_t len,
    struct bus *bus)
{
	struct note *n = plain(NOTE_SNAP_WANT, NULL, 0);
	bool same = false;

	k->note(service, n, bus);
	free(n);
	while ((n = bus_take(bus)) != NULL) {
		same |= n->type == NOTE_SNAP && n->len == len &&
		    memcmp(n->data, data, len) == 0;
		free(n);
	}
	return same;
}

/* False: the node ends. */
static bool
loads(const struct kind *k, const uint8_t *data, size_t len, bool exact)
{
	void *service = k->make();
	struct note *n = plain(NOTE_SNAP_LOAD, data, len);
	struct bus bus;
	bool dies = false;

	ATF_REQUIRE(service != NULL);
	bus_init(&bus);
	k->note(service, n, &bus);
	free(n);
	while ((n = bus_take(&bus)) != NULL) {
		dies |= n->type == NOTE_DIE;
		free(n);
	}
	if (!dies) {
		k->check(service);
		if (exact)
			ATF_CHECK(same_again(k, service, data, len, &bus));
	}
	k->free(service);
	bus_clear(&bus);
	return !dies;
}

static void
every_change(const struct kind *k, const struct wbuf *good)
{
	uint8_t *data;
	size_t i, survived = 0;
	unsigned bit;

	ATF_REQUIRE(!good->err);
	ATF_CHECK(loads(k, good->data, good->len, true));
	/* Without a byte: a leader that knows nothing. */
	ATF_CHECK(loads(k, good->data, 0, false));
	for (i = 1; i < good->len; i++)
		ATF_CHECK_MSG(!loads(k, good->data, i, false),
		    "%zu of %zu bytes are enough", i, good->len);
	data = malloc(good->len + 1);
	ATF_REQUIRE(data != NULL);
	memcpy(data, good->data, good->len);
	data[good->len] = 0;
	ATF_CHECK(!loads(k, data, good->len + 1, false));
	for (i = 0; i < good->len; i++)
		for (bit = 0; bit < 8; bit++) {
			data[i] ^= (uint8_t)(1u << bit);
			survived += loads(k, data, good->len, false);
			data[i] ^= (uint8_t)(1u << bit);
		}
	/* Names, numbers and lives may be any. */
	ATF_CHECK(survived > 0 && survived < 8 * good->len);
	free(data);
}

/* ---- levels -------------------------------------------------------------- */

static void
put_reg(struct wbuf *w, unsigned level, uint64_t client, uint32_t lid,
    bool ready)
{
	struct svc_client who = { .node = SELF, .inc = INC, .client = client };

	wbuf_u8(w, (uint8_t)level);
	svc_put_client(w, &who);
	wbuf_u32(w, lid);
	wbuf_str(w, "name");
	wbuf_u8(w, ready);
}

/* Two registrations, of which the second is as told. */
static void
put_levels(struct wbuf *w, unsigned step, unsigned at, unsigned level,
    uint32_t lid, bool ready)
{
	wbuf_init(w, 4096);
	wbuf_u64(w, 5);
	wbuf_u8(w, (uint8_t)step);
	wbuf_u8(w, (uint8_t)at);
	wbuf_u32(w, 2);
	put_reg(w, 1, 8, 1, true);
	put_reg(w, level, 8, lid, ready);
}

static bool
level_loads(unsigned step, unsigned at, unsigned level, uint32_t lid,
    bool ready)
{
	struct wbuf w;
	bool ok;

	put_levels(&w, step, at, level, lid, ready);
	ok = loads(&levels, w.data, w.len, false);
	wbuf_free(&w);
	return ok;
}

ATF_TC_WITHOUT_HEAD(torn_levels);
ATF_TC_BODY(torn_levels, tc)
{
	struct wbuf w;

	put_levels(&w, LEVEL_STOP, 3, 3, 2, false);
	every_change(&levels, &w);
	wbuf_free(&w);
	ATF_CHECK(level_loads(LEVEL_START, LEVEL_MAX, LEVEL_MAX, 2, false));
	ATF_CHECK(level_loads(LEVEL_FINISH, 0, 3, 2, true));
	/* Nobody is waited for, at this level or at all. */
	ATF_CHECK(!level_loads(LEVEL_STOP, 3, 3, 2, true));
	ATF_CHECK(!level_loads(LEVEL_START, 2, 3, 2, false));
	/* No such step; no such level. */
	ATF_CHECK(!level_loads(LEVEL_STOP - 1, 3, 3, 2, false));
	ATF_CHECK(!level_loads(LEVEL_FINISH + 1, 3, 3, 2, false));
	ATF_CHECK(!level_loads(LEVEL_FINISH, LEVEL_MAX + 1, 3, 2, true));
	ATF_CHECK(!level_loads(LEVEL_FINISH, 0, LEVEL_MAX + 1, 2, true));
	/* A client's number twice, at another level. */
	ATF_CHECK(!level_loads(LEVEL_STOP, 3, 3, 1, false));
}

/* ---- barriers ------------------------------------------------------------ */

static void
put_barrier(struct wbuf *w, const char *name, unsigned parties, unsigned n,
    uint64_t first, uint64_t step)
{
	struct svc_client who = { .node = SELF, .inc = INC, .client = first };
	unsigned i;

	wbuf_str(w, name);
	wbuf_u16(w, (uint16_t)parties);
	wbuf_u32(w, n);
	for (i = 0; i < n; i++, who.client += step) {
		svc_put_client(w, &who);
		wbuf_u32(w, i);
	}
}

static bool
barrier_loads(const char *name, unsigned parties, unsigned n, uint64_t step)
{
	struct wbuf w;
	bool ok;

	wbuf_init(&w, 65536);
	wbuf_u32(&w, 2);
	put_barrier(&w, "a", 3, 2, 8, 1);
	put_barrier(&w, name, parties, n, 8, step);
	ATF_REQUIRE(!w.err);
	ok = loads(&barriers, w.data, w.len, false);
	wbuf_free(&w);
	return ok;
}

ATF_TC_WITHOUT_HEAD(torn_barriers);
ATF_TC_BODY(torn_barriers, tc)
{
	struct wbuf w;

	wbuf_init(&w, 4096);
	wbuf_u32(&w, 2);
	put_barrier(&w, "a", 3, 2, 8, 1);
	put_barrier(&w, "b", 9, 1, 8, 1);
	every_change(&barriers, &w);
	wbuf_free(&w);
	ATF_CHECK(barrier_loads("b", BARRIER_PARTIES_MAX,
	    BARRIER_PARTIES_MAX - 1, 1));
	/* Nobody is at it; it should have opened; it never could. */
	ATF_CHECK(!barrier_loads("b", 3, 0, 1));
	ATF_CHECK(!barrier_loads("b", 3, 3, 1));
	ATF_CHECK(!barrier_loads("b", 3, 4, 1));
	ATF_CHECK(!barrier_loads("b", BARRIER_PARTIES_MAX + 1, 1, 1));
	/* The name twice, a party twice. */
	ATF_CHECK(!barrier_loads("a", 3, 2, 1));
	ATF_CHECK(!barrier_loads("b", 3, 2, 0));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, torn_levels);
	ATF_TP_ADD_TC(tp, torn_barriers);
	return atf_no_error();
}
