/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Leases, as lease.c and link_path.c keep them, by clocks that drift: never is
 * there a primary view while somebody believes in another one.  What is checked
 * is more than I12 asks: already when all members of a view have said READY for
 * it, so that the first of them may enter and act, no lease of an earlier view
 * is held.
 *
 * Who holds the lease is node 0, who can do without it are nodes 1 and 2.  All
 * nodes keep the same rules, so which of them is number 0 does not matter; where
 * votes are tied it does, and TIE says who is the lowest.
 *
 * Time.  In a tick of true time each clock goes on by 1 or by RATE, as it likes
 * in each tick anew.  No step takes time, and any number fits between two ticks.
 * So a node that pauses, or is cut off, is one that takes no step while the
 * ticks go on.  Moments are not kept, but how long ago they were, by the clock
 * of whoever keeps them; what is older than anybody asks for is all the same.
 * lease.c has RATE = (1 + drift) / (1 - drift) a little above 1; here it is 2,
 * as it must be for clocks that count in whole steps.
 *
 * Messages are no objects.  Words for node 0 are kept as a set of ages by view,
 * and each may arrive, also again, as long as it is worth anything.  So loss,
 * delay, repetition and reordering need no steps.  A beat of node 0 is read as
 * it is sent, or never: one that comes late makes who reads it wait as long, and
 * its word is good for less.
 *
 * View changes are those of view.pml, without state: any members that win the
 * votes, at any time.  What is missing of its rules (who is stale, which view
 * is the newest) only allows more views here.
 *
 * What is left out, and why that hides nothing:
 *   - Words to nodes 1 and 2: these believe in a view from when it is formed.
 *   - That node 0 waits before it says READY: it need not, which allows more.
 *   - The failure timeout: a new view may begin at any time.
 *   - Votes that change but for a goodbye, quorum devices, override, two_node.
 *
 * NODES=2: without node 2.  LEAVES=1: node 2 may leave for good, and gives up
 * its vote.  BUG=n plants a bug.
 * Bounds: epochs up to EMAX, which is 2 or 3, RESTARTS in all.
 */

#ifndef NODES
#define NODES 3
#endif
#ifndef EMAX
#define EMAX 3
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#ifndef TIE
#define TIE 1
#endif
#ifndef BUG
#define BUG 0
#endif

#define RATE	2
#ifndef LENGTH
#define LENGTH	2
#endif
#ifndef WAIT
#if BUG == 1
#define WAIT	LENGTH
#else
#define WAIT	(LENGTH * RATE)
#endif
#endif

#define BIT(i)	(1 << (i))
#define HAS(s, i) (((s) >> (i)) & 1)
#define COUNT(s) (HAS(s, 0) + HAS(s, 1) + HAS(s, 2))
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define ALL	(BIT(NODES) - 1)
#define AGES	(BIT(LENGTH) - 1)

/* Of a participant, as in view.pml. */
#define NEW	0
#define WEDGED	1
#define READY	2
#define STEADY	3
#define LEFT	4

typedef node {
	byte promised;	/* epoch, on disk */
	byte prim;	/* primary view it is in; 0: none in this life */
	byte phase;

	/* Of nodes 1 and 2.  By the clock of node 0: */
	byte echo;	/* age of the beat it read last; LENGTH: none */
	byte said[4]; /* ages of its words, by view, under way */
	byte vouch;	/* the view that its word at node 0 names */
	byte word;	/* age of that; LENGTH: worth nothing */
	/* By its own; WAIT: long ago. */
	byte read;	/* when it read the beat that it echoes */
	byte gave;	/* when it read the last one it gave its word for */
	byte born;	/* it started */
	byte heard	/* it heard the goodbye of node 2 */
};

typedef view {
	byte members;	/* 0: not decided */
	byte alive;	/* ... that did not restart since */
	byte elect;	/* whose votes count */
	byte ready	/* who said READY */
};

node n[3];
view v[4];
bit spent;	/* node 0 was READY for another view than it is in */
byte know;	/* who has heard the goodbye of node 2 */
byte restarts;

/* Scratch, always left 0. */
byte s, e, a, b, i_;

#define UNDECIDED(x) (v[x].members == 0)
#define FORMED(x) (v[x].members != 0 && v[x].ready == v[x].members)
#define GONE(s) (LEAVES && (know & (s)) != 0)	/* ... as s know */
#define ELECT(s) (GONE(s) -> ALL & ~BIT(2) : ALL)
#define WINS(x, h) (2 * COUNT((x) & (h)) > COUNT(x) || \
	(2 * COUNT((x) & (h)) == COUNT(x) && HAS((x) & (h), TIE)))

/* Whose words are good. */
#define GOOD(i) (n[i].word < LENGTH && (BUG == 9 || n[i].vouch == n[0].prim))
#define WORDS (1 | GOOD(1) << 1 | GOOD(2) << 2)
#define HELD (n[0].prim != 0 && !spent && \
	(WINS(v[n[0].prim].elect, WORDS) || \
	(v[n[0].prim].members & ~WORDS) == 0))
#define LATER(x) (n[0].prim < x && FORMED(x))

inline check() {
	assert(!HELD || !(LATER(2) || LATER(3)))
}

/* ---- words --------------------------------------------------------------- */

/* It vouches for the view it is in, until it promises a later epoch. */
/* Of any other view a word is worth nothing to node 0 (but for BUG 9). */
#define USEFUL(x) (BUG == 9 || (HAS(v[x].alive, 0) && \
	(n[0].prim < x || (n[0].prim == x && !spent))))

#define VOUCHES(i) (n[i].prim != 0 && (n[i].phase == STEADY || \
	(BUG == 7 && n[i].phase != LEFT)))

/* A beat that node 0 has just sent. */
inline heed(i) {
	n[i].echo = 0;
	n[i].read = 0;
	printf("%d reads a beat\n", i)
}

/* A beat towards node 0. */
inline say(i) {
	n[i].said[n[i].prim] = n[i].said[n[i].prim] | BIT(n[i].echo);
	n[i].gave = MIN(n[i].gave, n[i].read);
	printf("%d gives its word for %d\n", i, n[i].prim)
}

#define UNDERWAY(i, x, age) (n[i].vouch <= x && HAS(n[i].said[x], age) && \
	(n[i].vouch < x || n[i].word > age || BUG == 2))

/* One of those comes to node 0. */
inline told(i, x, age) {
	if
	:: n[i].vouch < x ->
		n[i].said[n[i].vouch] = 0;
		n[i].vouch = x;
		n[i].word = LENGTH
	:: else
	fi;
	n[i].word = MIN(n[i].word, age);
	printf("0 has the word of %d for %d\n", i, x);
#if BUG == 2
	n[i].word = 0;
	n[i].said[x] = n[i].said[x] & ~BIT(age)
#endif
	check()
}

/* ---- time ---------------------------------------------------------------- */

/* By the clock of node 0, which went on by k. */
inline older(i, k) {
	n[i].echo = MIN(n[i].echo + k, LENGTH);
	n[i].word = MIN(n[i].word + k, LENGTH);
	n[i].said[1] = (n[i].said[1] << k) & AGES;
	n[i].said[2] = (n[i].said[2] << k) & AGES;
	n[i].said[3] = (n[i].said[3] << k) & AGES;
	if
	:: n[i].echo == LENGTH -> n[i].read = WAIT
	:: else
	fi
}

inline later(i, k) {
	n[i].read = MIN(n[i].read + k, WAIT);
	n[i].gave = MIN(n[i].gave + k, WAIT);
	n[i].born = MIN(n[i].born + k, WAIT);
	n[i].heard = MIN(n[i].heard + k, WAIT)
}

inline tick(x, y, z) {
	printf("a tick: %d, %d, %d\n", x, y, z);
	later(1, y);
	later(2, z);
	older(1, x);
	older(2, x)
}

/* ---- views --------------------------------------------------------------- */

#define BELOW(i, x) (!HAS(s, i) || \
	(n[i].promised < x && n[i].phase != LEFT))

inline promise(i) {
	if
	:: HAS(s, i) ->
		n[i].promised = e;
		n[i].phase = WEDGED;
		/* Who has not heard of a goodbye itself hears of it now. */
		if
		:: GONE(s) && !HAS(know, i) ->
			know = know | BIT(i);
			n[i].heard = 0
		:: else
		fi
	:: else
	fi
}

/* The coordinator has the answers of m to a proposal of epoch x. */
inline decide(x, m) {
	s = m;
	e = x;
	if
	:: BELOW(0, x) && BELOW(1, x) && BELOW(2, x) && WINS(ELECT(s), s) ->
		v[e].members = s;
		v[e].alive = s;
		v[e].elect = ELECT(s);
		printf("view %d: members %d\n", e, s);
		promise(0);
		promise(1);
		promise(2)
	:: else
	fi;
	s = 0;
	e = 0
}

#define INSTALLS(i) (n[i].phase == WEDGED && HAS(v[n[i].promised].alive, i))

/* L3, L4, L5: what may have been promised to node 0 has run out. */
#define SILENT(i) (BUG == 3 || HAS(v[n[i].promised].members, 0) || \
	(n[i].gave >= WAIT && \
	(BUG == 4 || n[i].born >= WAIT) && \
	(BUG == 5 || !HAS(know, i) || n[i].heard >= WAIT)))

inline agree(i) {
	printf("%d is READY for %d\n", i, n[i].promised);
	n[i].phase = READY;
	v[n[i].promised].ready = v[n[i].promised].ready | BIT(i);
	check()
}

#define ENTERS(i) (n[i].phase == READY && FORMED(n[i].promised))

inline enter(i) {
	n[i].prim = n[i].promised;
	n[i].phase = STEADY;
	printf("%d enters %d\n", i, n[i].prim)
}

inline restart(i) {
	printf("%d restarts\n", i);
	n[i].phase = NEW;
	n[i].prim = 0;
	v[1].alive = v[1].alive & ~BIT(i);
	v[2].alive = v[2].alive & ~BIT(i);
	v[3].alive = v[3].alive & ~BIT(i)
}

/* Words to the life that is over are none to this one. */
inline forget(i) {
	n[i].echo = LENGTH;
	n[i].read = WAIT;
	n[i].gave = WAIT;
	n[i].vouch = 0;
	n[i].word = LENGTH;
	n[i].said[1] = 0;
	n[i].said[2] = 0;
	n[i].said[3] = 0
}

/* What is of views that node 0 will not be in any more tells it nothing. */
inline clean(i) {
	for (i_ : 1 .. 3) {
		if
		:: !USEFUL(i_) ->
			n[i].said[i_] = 0
		:: else
		fi
	}
	i_ = 0
}

#if BUG == 6
#define ENDS 0
#else
#define ENDS 1
#endif

#define HEARS(i, x) \
	:: d_step { UNDERWAY(i, x, 0) -> told(i, x, 0) } \
	:: d_step { UNDERWAY(i, x, 1) -> told(i, x, 1) } \
	MORE(i, x)
#if LENGTH == 3
#define MORE(i, x) :: d_step { UNDERWAY(i, x, 2) -> told(i, x, 2) }
#else
#define MORE(i, x)
#endif

/* Node 1 or 2. */
#define PEER(i) \
	:: d_step { n[i].echo != 0 || n[i].read != 0 -> heed(i) } \
	:: d_step { VOUCHES(i) && USEFUL(n[i].prim) && n[i].echo < LENGTH && \
		(!HAS(n[i].said[n[i].prim], n[i].echo) || \
		n[i].gave > n[i].read) -> say(i) } \
	HEARS(i, 1) \
	HEARS(i, 2) \
	HEARS(i, 3) \
	:: d_step { INSTALLS(i) && SILENT(i) -> agree(i) } \
	:: d_step { ENTERS(i) -> enter(i) } \
	:: d_step { restarts < RESTARTS && n[i].phase != NEW && \
		n[i].phase != LEFT -> \
		restarts++; restart(i); n[i].gave = WAIT; n[i].born = 0; \
		n[i].echo = LENGTH; n[i].read = WAIT }

#define ROUND(x, m) :: d_step { UNDECIDED(x) && ((m) & ~ALL) == 0 -> \
	decide(x, m) }
#define ROUNDS(x) \
	ROUND(x, 1) ROUND(x, 2) ROUND(x, 3) ROUND(x, 4) ROUND(x, 5) \
	ROUND(x, 6) ROUND(x, 7)

#define TICK(x, y, z) :: d_step { tick(x, y, z); check() }

active proctype cluster() {
	d_step {
		v[1].members = ALL;
		v[1].alive = ALL;
		v[1].elect = ALL;
		v[1].ready = ALL;
		for (i_ : 0 .. NODES - 1) {
			n[i_].promised = 1;
			n[i_].prim = 1;
			n[i_].phase = STEADY
		}
		for (i_ : 1 .. 2) {
			n[i_].echo = LENGTH;
			n[i_].word = LENGTH;
			n[i_].read = WAIT;
			n[i_].gave = WAIT;
			n[i_].born = WAIT;
			n[i_].heard = WAIT
		}
		i_ = 0
	};
end:	do
	TICK(1, 1, 1) TICK(1, 1, 2) TICK(1, 2, 1) TICK(1, 2, 2)
	TICK(2, 1, 1) TICK(2, 1, 2) TICK(2, 2, 1) TICK(2, 2, 2)
	ROUNDS(2)
#if EMAX == 3
	ROUNDS(3)
#endif
	PEER(1)
#if NODES == 3
	PEER(2)
#endif
	:: d_step { INSTALLS(0) -> spent = ENDS; agree(0); clean(1); clean(2) }
	:: d_step { ENTERS(0) -> enter(0); spent = 0; clean(1); clean(2); check() }
	:: d_step { restarts < RESTARTS && n[0].phase != NEW ->
		restarts++; restart(0); spent = 0; forget(1); forget(2) }
#if LEAVES
	:: d_step { n[2].phase == STEADY -> n[2].phase = LEFT }
	:: d_step { n[2].phase == LEFT && !HAS(know, 1) ->
		know = know | BIT(1); n[1].heard = 0 }
#endif
	od
}
