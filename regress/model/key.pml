/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The change of the cluster key: three nodes, one change, as keys.c and
 * link_keys.c make it.  Two keys, of which a node has one or both in its file
 * and in force.  The total order is a log that each member reads at its own
 * pace; a view change lets all members read to its end first (view.pml proves
 * that).  A node that restarts has what is in its file, and comes back when it
 * has met every member; what it has confirmed before does not count.
 *
 * Checked after each step: a member can open what another one sends (I22).
 * Also: who has a key in common can meet; when the new key is used, every
 * member has it in its file (K2 of keys.c), and when the old one is dropped,
 * every node has, also those that are away.
 *
 * Left out: datagrams on their way (the simulator has them, and so the time
 * that QUIET waits), messages that are submitted again after a view change,
 * for which rounds are there, abort, drop absent, a second change, files that
 * cannot be written, and views without a majority.
 *
 * BUG=n plants a bug.  Bounds: RESTARTS in all; USE and DROP are tried TRIES times.
 */

#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef TRIES
#define TRIES 1
#endif
#ifndef BUG
#define BUG 0
#endif

#define ALL	7
#define BIT(i)	(1 << (i))
#define HAS(s, i) (((s) >> (i)) & 1)
#define COUNT(s) (HAS(s, 0) + HAS(s, 1) + HAS(s, 2))

#define OLD	1
#define NEW	2
#define BOTH	3

#define LOG	12
#define ADD	1
#define USE	2
#define DROP	3
#define HAVE	4	/* + node */
#define QUIET	8	/* + node */

typedef node {
	byte file;	/* keys on disk */
	byte ring;	/* keys in force */
	byte heard[3];	/* the key of the last datagram of each, or 0 */
	bit confirmed;	/* said HAVE in this life */
	byte silent;	/* round of its last QUIET */
	bit again;	/* it has restarted */
	/* Replicated, as of pos. */
	byte pos;
	byte now;
	bit use;	/* the new one is used */
	byte held;	/* who has confirmed in its present life */
	byte known;	/* ... or in one before */
	byte quiet;	/* who was, in this round */
	byte round
};

node n[3];
byte view = ALL;
byte end_;
byte msg[LOG];
byte arg[LOG];
byte restarts, adds, uses, drops;

/* Scratch, always left 0. */
byte m, j, k, c;

/* The key that a seals with for b. */
#define CAUGHT(a) (n[a].ring == n[a].now)
#define INUSE(a) (n[a].use -> NEW : OLD)
#if BUG == 4
#define TOWARDS(a, b) (n[a].ring != BOTH -> n[a].ring : INUSE(a))
#else
#define TOWARDS(a, b) (n[a].ring != BOTH -> n[a].ring : \
	(n[a].heard[b] == NEW -> NEW : \
	((CAUGHT(a) && HAS(n[a].held, b)) -> INUSE(a) : \
	(n[a].heard[b] != 0 -> n[a].heard[b] : OLD))))
#endif
#define OPENS(a, b) ((TOWARDS(a, b) & n[b].ring) != 0)

/*
 * I22; but one that has just joined may speak to another one that has with a
 * key that is over, as they met, until it has caught up.
 */
#define PAIR(a, b) assert(!(HAS(view, a) && HAS(view, b)) || OPENS(a, b) || \
	(!CAUGHT(a) && n[b].again))
/* Whoever drops the old key leaves nobody behind. */
#define LEFT(a) assert(n[a].now != NEW || (n[0].file & NEW) != 0 && \
	(n[1].file & NEW) != 0 && (n[2].file & NEW) != 0)

inline check() {
	PAIR(0, 1); PAIR(0, 2); PAIR(1, 0);
	PAIR(1, 2); PAIR(2, 0); PAIR(2, 1);
	LEFT(0); LEFT(1); LEFT(2)
}

/* An order is judged when it is given, and again in its place of the log. */
#if BUG == 1
#define MAY_USE(i) (n[i].now == BOTH && !n[i].use)
#else
#define MAY_USE(i) (n[i].now == BOTH && !n[i].use && (view & ~n[i].held) == 0)
#endif
#if BUG == 2
#define MAY_DROP(i) (n[i].now == BOTH && n[i].use && n[i].known == ALL)
#else
#define MAY_DROP(i) (n[i].now == BOTH && n[i].use && n[i].known == ALL && \
	(view & ~n[i].quiet) == 0)
#endif

inline submit(type, value) {
	assert(end_ < LOG);
	msg[end_] = type;
	arg[end_] = value;
	end_++
}

inline put_in_force(i) {
#if BUG == 3
	n[i].ring = n[i].now
#else
	if
	:: (n[i].now & ~n[i].file) == 0 -> n[i].ring = n[i].now
	:: else
	fi
#endif
}

inline change(i) {
	n[i].quiet = 0;
	n[i].round++
}

#define READ(a) (!HAS(view, a) || n[a].pos > 0)

/* What all members have read is gone: how they came here does not matter. */
inline trim() {
	do
	:: end_ > 0 && READ(0) && READ(1) && READ(2) ->
		c = 1;
		do
		:: c < end_ ->
			msg[c - 1] = msg[c];
			arg[c - 1] = arg[c];
			c++
		:: else -> break
		od;
		c = 0;
		end_--;
		msg[end_] = 0;
		arg[end_] = 0;
		if
		:: HAS(view, 0) -> n[0].pos--
		:: else
		fi;
		if
		:: HAS(view, 1) -> n[1].pos--
		:: else
		fi;
		if
		:: HAS(view, 2) -> n[2].pos--
		:: else
		fi
	:: else -> break
	od
}

inline deliver(i) {
	m = msg[n[i].pos];
	c = arg[n[i].pos];
	n[i].pos++;
	if
	:: m == ADD && n[i].now == OLD ->
		n[i].now = BOTH;
		n[i].held = 0;
		n[i].known = 0;
		change(i)
	:: m == USE && MAY_USE(i) ->
		assert(!HAS(view, 0) || (n[0].file & NEW) != 0);
		assert(!HAS(view, 1) || (n[1].file & NEW) != 0);
		assert(!HAS(view, 2) || (n[2].file & NEW) != 0);
		n[i].use = 1;
		change(i)
	:: m == DROP && MAY_DROP(i) ->
		n[i].now = NEW
	:: m >= HAVE && m < QUIET && n[i].now == BOTH &&
	    !HAS(n[i].held, m - HAVE) ->
		n[i].held = n[i].held | BIT(m - HAVE);
		n[i].known = n[i].known | BIT(m - HAVE);
		change(i)
	:: m >= QUIET && n[i].now == BOTH && n[i].use && c == n[i].round ->
		n[i].quiet = n[i].quiet | BIT(m - QUIET)
	:: else
	fi;
	put_in_force(i);
	m = 0;
	c = 0;
	trim()
}

/* Before a view ends, all its members read to the end of the log. */
inline flush(but) {
	k = 0;
	do
	:: k < 3 && k != but && HAS(view, k) && n[k].pos < end_ -> deliver(k)
	:: k < 3 && !(k != but && HAS(view, k) && n[k].pos < end_) -> k++
	:: k == 3 -> break
	od;
	k = 0
}

inline listen(a, b) {
	if
	:: OPENS(a, b) -> n[b].heard[a] = TOWARDS(a, b)
	:: else
	fi
}

/* Each knows the other by what it could open, in whatever order. */
inline meet(a, b) {
	n[a].heard[b] = 0;
	n[b].heard[a] = 0;
	listen(a, b);
	listen(b, a);
	listen(a, b);
	assert(OPENS(a, b) && OPENS(b, a))
}

inline forget(a, i) {
	if
	:: HAS(n[a].known, i) ->
		n[a].known = n[a].known & ~BIT(i);
		n[a].held = n[a].held & ~BIT(i);
		change(a)
	:: else
	fi
}

inline crash(i) {
	flush(i);
	view = view & ~BIT(i);
	trim();
	n[i].ring = n[i].file;
	/* Until it is told, its file is all it knows. */
	n[i].now = n[i].file;
	n[i].use = (n[i].file == NEW);
	n[i].held = 0;
	n[i].known = 0;
	n[i].quiet = 0;
	n[i].round = 0;
	n[i].silent = 0;
	n[i].confirmed = 0;
	n[i].again = 1;
	n[i].pos = 0;
	restarts++
}

/* It has a key in common with the members, who all have the same. */
inline join(i) {
	flush(3);
	j = 0;
	do
	:: j < 3 && HAS(view, j) ->
		meet(j, i);
		forget(j, i);
		n[i].now = n[j].now;
		n[i].use = n[j].use;
		n[i].held = n[j].held;
		n[i].known = n[j].known;
		n[i].quiet = n[j].quiet;
		n[i].round = n[j].round;
		j++
	:: j < 3 && !HAS(view, j) -> j++
	:: j == 3 -> break
	od;
	j = 0;
	n[i].pos = end_;
	view = view | BIT(i);
	put_in_force(i)
}

#define MEETS(i, a) (!HAS(view, a) || (n[i].ring & n[a].ring) != 0)

proctype member(byte i) {
	do
	:: d_step { HAS(view, i) && n[i].pos < end_ -> deliver(i); check() }
	:: d_step { HAS(view, i) && n[i].file != n[i].now ->
		n[i].file = n[i].now;
		put_in_force(i);
		check() }
	:: d_step { HAS(view, i) && n[i].now == BOTH && n[i].ring == BOTH &&
	    !n[i].confirmed && !HAS(n[i].held, i) ->
		n[i].confirmed = 1;
		submit(HAVE + i, 0) }
	:: d_step { HAS(view, i) && n[i].use && n[i].now == BOTH &&
	    n[i].ring == BOTH && n[i].file == BOTH &&
	    (view & ~n[i].held) == 0 && n[i].silent != n[i].round ->
		n[i].silent = n[i].round;
		submit(QUIET + i, n[i].round) }
	:: d_step { HAS(view, i) && adds < 1 -> adds++; submit(ADD, 0) }
	:: d_step { HAS(view, i) && uses < TRIES && MAY_USE(i) ->
		uses++;
		submit(USE, 0) }
	:: d_step { HAS(view, i) && drops < TRIES && MAY_DROP(i) ->
		drops++;
		submit(DROP, 0) }
	:: d_step { HAS(view, i) && HAS(view, (i + 1) % 3) ->
		listen(i, (i + 1) % 3) }
	:: d_step { HAS(view, i) && HAS(view, (i + 2) % 3) ->
		listen(i, (i + 2) % 3) }
	:: d_step { HAS(view, i) && COUNT(view) == 3 && restarts < RESTARTS ->
		crash(i);
		check() }
	:: d_step { !HAS(view, i) && MEETS(i, 0) && MEETS(i, 1) && MEETS(i, 2) ->
		join(i);
		check() }
	od
}

init {
	atomic {
		do
		:: j < 3 ->
			n[j].file = OLD;
			n[j].ring = OLD;
			n[j].now = OLD;
			n[j].heard[0] = OLD;
			n[j].heard[1] = OLD;
			n[j].heard[2] = OLD;
			j++
		:: else -> break
		od;
		j = 0;
		run member(0);
		run member(1);
		run member(2)
	}
}
