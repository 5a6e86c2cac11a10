/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Votes that change: three nodes with last_man_standing, and the rules E1 to
 * E5 and E7 of vote.c as member_vote.c and member_round.c keep them.  Nodes
 * restart, and one may lose its disk.  The view change is that of view.pml,
 * whose head says how messages are modelled and what is left out; here the
 * order is left out, too, but for its SYNC, which brings state to a member
 * that joined.  Without it: weights, operators, and clean leaving.
 *
 * TIE=1: the lowest voter breaks a tie.  BUG=n plants a bug.
 * Bounds: epochs up to EMAX, RESTARTS in all, of them LOSSES with a new disk;
 * who was excluded restarts without being counted.
 */

#ifndef EMAX
#define EMAX 3
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef TIE
#define TIE 0
#endif
#ifndef BUG
#define BUG 0
#endif

#define ALL	7
#define BIT(i)	(1 << (i))
#define HAS(s, i) (((s) >> (i)) & 1)
#define COUNT(s) (HAS(s, 0) + HAS(s, 1) + HAS(s, 2))
#define MAX(a, b) ((a) > (b) -> (a) : (b))

#define NEW	0 /* has no view and promised nothing, in this life */
#define WEDGED	1
#define READY	2
#define STEADY	3

typedef node {
	byte promised;	/* on disk */
	byte base;	/* on disk: last primary view, of any life */
	byte since;	/* on disk: its memory begins with this view */
	byte attempts;	/* on disk, a set of epochs (E1) */
	byte phase;
	byte prim;	/* last primary view of this life */
	byte chain;	/* views that it was READY for, a set of epochs */
	bit synced;	/* it has the state of prim */
	bit hassync	/* ... by the SYNC of prim, which is in its log */
};

/* By epoch: what an INSTALL says, and what became of it. */
typedef view {
	byte members;	/* 0: not decided */
	byte fresh;
	bit scratch;
	byte prev;	/* state comes from; 0: scratch */
	byte elect;	/* whose votes count for the next */
	byte ready;	/* who said READY */

	/* Only to check with. */
	byte alive;	/* members that did not restart since */
	byte entered;
	byte kept;	/* ... and did not lose their disk since */
	byte above	/* the views it descends from, a set of epochs */
};

node n[3];
view v[EMAX + 1];
byte restarts;
byte losses;

/* Scratch, always left 0. */
byte s, e, p, i_, best, here, able, elect;
bit no;

#define EFFECTIVE(x) (v[x].members != 0 && v[x].entered == v[x].members && \
	v[x].kept != 0)
#define IN(x, i) (!HAS(v[x].members, i) || \
	(n[i].phase == STEADY && n[i].prim == x))
#define FORMED(x) (v[x].members != 0 && v[x].ready == v[x].members)
#define STANDS(x) (v[x].members != 0 && IN(x, 0) && IN(x, 1) && IN(x, 2))

/*
 * I13: a view that is decided on descends from those that took effect before,
 * and of two that took effect, whenever, the later one from the other; unless
 * all who were in one have lost their disks (E7).
 */
#define LINE(f, l) assert(!(EFFECTIVE(f) && EFFECTIVE(l)) || \
	HAS(v[l].above, f))
#define BORN(f, l) assert(!(e == l && EFFECTIVE(f)) || HAS(v[l].above, f))
/* I12: no two stand side by side. */
#define ONE(a, b) assert(!(STANDS(a) && STANDS(b)))

#if EMAX == 4
#define PAIRS(CHECK) CHECK(1, 2); CHECK(1, 3); CHECK(1, 4); CHECK(2, 3); \
	CHECK(2, 4); CHECK(3, 4)
#else
#define PAIRS(CHECK) CHECK(1, 2); CHECK(1, 3); CHECK(2, 3)
#endif

inline check() {
	PAIRS(LINE);
	PAIRS(ONE)
}

#define UNDECIDED(x) (v[x].members == 0)

/* Who answers a proposal of epoch e. */
inline promise(i) {
	if
	:: HAS(s, i) ->
		n[i].promised = e;
		n[i].phase = WEDGED
	:: else
	fi
}

#define BELOW(m, x) ((!HAS(m, 0) || n[0].promised < x) && \
	(!HAS(m, 1) || n[1].promised < x) && \
	(!HAS(m, 2) || n[2].promised < x))

/* As in view.pml. */
#define LACKS(j, i) (HAS(s, j) && n[j].base > n[i].prim && \
	!HAS(v[n[j].base].members & v[n[j].base].alive, i))
#define STALE(i) (HAS(s, i) && n[i].prim != 0 && ( \
	(n[i].prim != p && !HAS(n[i].chain, p)) || \
	LACKS(0, i) || LACKS(1, i) || LACKS(2, i)))
#define OF_PRIM(i) (HAS(s, i) && n[i].prim == p)
#define HAS_STATE(i) (OF_PRIM(i) && n[i].synced)
#define FOLLOWS(i) (n[i].prim == p || HAS(n[i].chain, p))
#define FRESH(i) (HAS(s, i) && (!FOLLOWS(i) || \
	!(n[i].synced || best)))
#define PRIM(i) (HAS(s, i) -> n[i].prim : 0)
#define BASE(i) (HAS(s, i) -> n[i].base : 0)

/* electorate_wins(), electorate_blocks(): x is the electorate. */
#define LOWEST_IN(x, h) ((x) != 0 && ((h) & (x) & -(x)) != 0)
#define WINS(x, h) (2 * COUNT((x) & (h)) > COUNT(x) || \
	(TIE && 2 * COUNT((x) & (h)) == COUNT(x) && LOWEST_IN(x, h)))
#define BLOCKS(x, h) (!WINS(x, (x) & ~(h)))

/* E5: its disk is the one that it had when view x was formed. */
#define REMEMBERS(i, x) (HAS(s, i) && (BUG == 5 || (BUG == 6 -> \
	n[i].base != 0 || n[i].attempts != 0 : \
	n[i].since != 0 && n[i].since <= x)))
#define WHO_REMEMBERS(x) (REMEMBERS(0, x) | REMEMBERS(1, x) << 1 | \
	REMEMBERS(2, x) << 2)
/* E7 */
#define WHOLE(x) (s == ALL || (BUG == 7 && ((x) & ~s) == 0))
#define KNOWN(x) ((HAS(s, 0) && HAS(n[0].attempts, x)) || \
	(HAS(s, 1) && HAS(n[1].attempts, x)) || \
	(HAS(s, 2) && HAS(n[2].attempts, x)))

/* p: the newest base.  Sets no unless the members s may be primary. */
inline count() {
	p = MAX(MAX(BASE(0), BASE(1)), BASE(2));
	if
	:: BUG == 2 -> p = (HAS(s, 0) -> n[0].base : n[1].base)
	:: else
	fi;
	elect = (p == 0 -> ALL : v[p].elect);
	here = (p == 0 || WHOLE(elect) -> s : WHO_REMEMBERS(p));
	no = !WINS(elect, here) || /* E2 */
	    (BUG != 4 && p == 0 && s != ALL); /* E5 */
	for (i_ : 1 .. EMAX) { /* E3 */
		if
		:: BUG != 3 && i_ > p && KNOWN(i_) && !WHOLE(v[i_].elect) ->
			here = WHO_REMEMBERS(i_);
			no = no || !BLOCKS(v[i_].elect, here)
		:: else
		fi
	}
	i_ = 0;
	here = 0
}

/* The coordinator has all answers: those of m, to a proposal of x. */
inline decide(x, m) {
	e = x;
	s = m;
	count();
	p = MAX(MAX(PRIM(0), PRIM(1)), PRIM(2));
	if
	:: !no && !STALE(0) && !STALE(1) && !STALE(2) ->
		assert(UNDECIDED(e)); /* I3 */
		v[e].members = s;
		v[e].alive = s;
		promise(0);
		promise(1);
		promise(2);
		if
		:: p != 0 && (HAS_STATE(0) || HAS_STATE(1) || HAS_STATE(2)) ->
			best = (OF_PRIM(0) && n[0].hassync) ||
			    (OF_PRIM(1) && n[1].hassync) ||
			    (OF_PRIM(2) && n[2].hassync);
			v[e].prev = p;
			v[e].fresh = FRESH(0) | FRESH(1) << 1 | FRESH(2) << 2;
			v[e].above = v[p].above | BIT(p)
		:: else -> /* from scratch */
			p = MAX(MAX(BASE(0), BASE(1)), BASE(2));
			v[e].scratch = 1;
			best = (HAS(s, 0) && n[0].base == p -> 0 :
			    (HAS(s, 1) && n[1].base == p -> 1 : 2));
			v[e].fresh = s & ~BIT(best);
			v[e].above = (p == 0 -> 0 : v[p].above | BIT(p))
		fi;
		/* last_man_standing: those with the state count (E4). */
		able = s & ~v[e].fresh;
		v[e].elect = (WINS(able, s) -> able : elect);
		assert(WINS(v[e].elect, s));
		printf("view %d: members %d fresh %d prev %d elect %d\n",
		    e, s, v[e].fresh, v[e].prev, v[e].elect);
		PAIRS(BORN)
	:: else /* no primary view: it is as if nobody had answered */
	fi;
	s = 0; e = 0; p = 0; best = 0; able = 0; elect = 0; no = 0
}

#define INSTALLS(i) (n[i].phase == WEDGED && \
	HAS(v[n[i].promised].members & v[n[i].promised].alive, i))

/* READY, after the attempt is on the disk (E1). */
inline install(i) {
	e = n[i].promised;
	for (i_ : 1 .. EMAX) {
		/* Of equal electorates the newest is enough. */
		if
		:: HAS(n[i].attempts, i_) && v[i_].elect == v[e].elect ->
			n[i].attempts = n[i].attempts & ~BIT(i_)
		:: else
		fi
	}
	i_ = 0;
	if
	:: BUG != 1 ->
		n[i].attempts = n[i].attempts | BIT(e);
		n[i].since = (n[i].since == 0 -> e : n[i].since)
	:: else
	fi;
	n[i].chain = n[i].chain | BIT(e);
	n[i].phase = READY;
	v[e].ready = v[e].ready | BIT(i);
	printf("%d is READY for %d\n", i, e);
	e = 0
}

inline restart(i) {
	printf("%d restarts\n", i);
	n[i].phase = NEW;
	n[i].prim = 0;
	n[i].chain = 0;
	n[i].synced = 0;
	n[i].hassync = 0;
#if BUG == 8
	n[i].attempts = 0;
#endif
	for (i_ : 1 .. EMAX) {
		v[i_].alive = v[i_].alive & ~BIT(i)
	}
	i_ = 0
}

inline lose(i) {
	restart(i);
	printf("%d has a new disk\n", i);
	n[i].promised = 0;
	n[i].base = 0;
	n[i].since = 0;
	n[i].attempts = 0;
	for (i_ : 1 .. EMAX) {
		v[i_].kept = v[i_].kept & ~BIT(i)
	}
	i_ = 0
}

/* One view of those to be entered. */
inline enter(i, x) {
	no = !(v[x].prev != 0 && v[x].prev == n[i].prim) &&
	    !HAS(v[x].fresh, i) && !v[x].scratch;
	if
	:: !no ->
		assert(x > n[i].base); /* I2 */
		n[i].prim = x;
		n[i].base = x;
		n[i].attempts = 0;
		n[i].since = (n[i].since == 0 -> x : n[i].since);
		n[i].synced = !HAS(v[x].fresh, i);
		n[i].hassync = 0;
		v[x].entered = v[x].entered | BIT(i);
		v[x].kept = v[x].kept | BIT(i);
		printf("%d enters %d\n", i, x)
	:: else
	fi
}

#define ENTERS(i) (n[i].phase == READY && (FORMED(n[i].promised) || EARLY))

/* COMMIT: first the views of which it was missed, then the one it names. */
inline go(i) {
	e = n[i].promised;
	s = BIT(e);
	p = v[e].prev;
	do
	:: p != 0 && p != n[i].prim && HAS(n[i].chain, p) ->
		s = s | BIT(p);
		p = v[p].prev
	:: else -> break
	od;
	p = 0;
	for (i_ : 1 .. EMAX) {
		if
		:: HAS(s, i_) && !no -> enter(i, i_)
		:: else
		fi
	}
	n[i].chain = 0;
	n[i].phase = STEADY;
	if
	:: no -> restart(i)
	:: else
	fi;
	i_ = 0; s = 0; e = 0; no = 0;
	check()
}

/* SYNC: given its position by a member that has the state, and is there. */
#define SYNCS(i) (n[i].phase == STEADY && !n[i].hassync && \
	(v[n[i].prim].entered & ~v[n[i].prim].fresh) != 0)

inline sync(i) {
	n[i].synced = 1;
	n[i].hassync = 1
}

/* A later primary view than all it knows of went on without it. */
#define OUT(i, j) (n[j].base > n[i].prim && (n[i].prim | n[i].chain) != 0 && \
	(n[i].chain >> n[j].base) == 0 && \
	!HAS(v[n[j].base].members & v[n[j].base].alive, i))

#define FORGETS 0
#define EARLY (BUG == 9)
#define MAYBE(m) 1
#define ROUND(x, m) \
	:: d_step { x <= EMAX && BELOW(m, x) && (UNDECIDED(x) || FORGETS) && \
		MAYBE(m) -> decide(x, m) }
#define ROUNDS(m) ROUND(1, m) ROUND(2, m) ROUND(3, m) LAST(m)
#if EMAX == 4
#define LAST(m) ROUND(4, m)
#else
#define LAST(m)
#endif

#define NODE(i, j, k) \
	ROUNDS((BIT(i) | BIT(j))) \
	ROUNDS(BIT(i)) \
	:: d_step { INSTALLS(i) -> install(i) } \
	:: d_step { ENTERS(i) -> go(i) } \
	:: d_step { SYNCS(i) -> sync(i) } \
	:: d_step { restarts < RESTARTS && n[i].phase != NEW -> \
		restarts++; restart(i) } \
	:: d_step { restarts < RESTARTS && losses < LOSSES && \
		n[i].promised != 0 -> restarts++; losses++; lose(i) } \
	:: d_step { OUT(i, j) || OUT(i, k) -> restart(i) }

active proctype cluster() {
end:	do
	ROUNDS(ALL)
	NODE(0, 1, 2)
	NODE(1, 2, 0)
	NODE(2, 0, 1)
	od
}
