/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A view change of three nodes with one vote each, as member_round.c,
 * member_part.c and order_view.c do it, in every order in which things can
 * happen.  What is checked has the numbers of clusterd-protocol(7), section
 * 13; BUG=n plants a bug that one of these must catch.
 *
 * Messages are no objects here.  One that was sent may arrive at any time
 * later, or never: it is a bit that stays.  So loss, delay and reordering need
 * no steps of their own.  A node that is cut off, or dead, is one that takes
 * no step; only to come back without its memory is a step (restart).
 *
 * What is left out, and why that hides nothing:
 *   - Who hears whom, and who should coordinate: any node may propose to any
 *     others at any time, and they may accept.
 *   - NACK, time limits, giving up: the coordinator just takes no step more.
 *   - PROPOSE, FLUSH and the decision are one step.  Who has answered does
 *     nothing until the INSTALL comes, so all may as well answer in that
 *     moment; if one of them went on before all had answered, no view can
 *     come of that round.  A promise from which nothing follows only refuses
 *     other proposals, like a node that is slow.
 *   - Views that are not primary: here they have one node and change nothing.
 *   - Promised epochs are on disk one by one, not in blocks.
 *   - Who leads: the lowest of those with the state, not the first to join.
 *     An epoch is then all of a view's name.
 *   - Snapshots: SYNC is the first message of a view.  Log records have no
 *     content: a view has one sequencer, so its position is all of it.
 *   - No votes that change (vote.pml), no lost disks, no clean leaving.
 *
 * Bounds: epochs up to EMAX, POSITIONS in each view, RESTARTS in all; who was
 * excluded restarts without being counted.
 */

#ifndef EMAX
#define EMAX 3
#endif
#ifndef POSITIONS
#define POSITIONS 2
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef STRICT
#define STRICT 0
#endif
#ifndef BUG
#define BUG 0
#endif

#define ALL	7
#define BIT(i)	(1 << (i))
#define HAS(s, i) (((s) >> (i)) & 1)
#define COUNT(s) (HAS(s, 0) + HAS(s, 1) + HAS(s, 2))
#define LOWEST(s) (HAS(s, 0) -> 0 : (HAS(s, 1) -> 1 : 2))
#define MAX(a, b) ((a) > (b) -> (a) : (b))

/* Phases of a participant. */
#define NEW	0 /* has no view and promised nothing, in this life */
#define WEDGED	1
#define READY	2
#define STEADY	3

typedef node {
	byte promised;	/* on disk */
	byte base;	/* on disk: last primary view, of any life */
	byte phase;
	byte prim;	/* last primary view of this life */
	byte chain;	/* views that it was READY for, a set of epochs */
	byte held;	/* positions of prim */
	byte done;	/* ... that are delivered */
	bit synced	/* it has the state of prim */
};

/* By epoch: what an INSTALL says, and what became of it. */
typedef view {
	byte members;	/* 0: not decided */
	byte fresh;
	bit scratch;
	byte prev;	/* state comes from; 0: scratch */
	byte cut;	/* of prev */
	byte ready;	/* who said READY */
	byte given;	/* positions given by the leader */

	/* Only to check with. */
	byte alive;	/* members that did not restart since */
	byte entered;
	byte above;	/* the views it descends from, a set of epochs */
	byte hold1, hold2; /* who ever held position 1, 2 */
	byte safe	/* positions that somebody may have delivered as safe */
};

node n[3];
view v[EMAX + 1];
byte restarts;

/* Scratch, always left 0. */
byte s, e, p, i_, best, stale, down;

#define EFFECTIVE(x) (v[x].members != 0 && v[x].entered == v[x].members)
#define FORMED(x) (v[x].members != 0 && v[x].ready == v[x].members)
#define IN(x, i) (!HAS(v[x].members, i) || \
	(n[i].phase == STEADY && n[i].prim == x))
#define STANDS(x) (v[x].members != 0 && IN(x, 0) && IN(x, 1) && IN(x, 2))

/*
 * I12, I13: a view that is decided on descends from those that took effect
 * before, and of two that took effect, whenever, the later one from the other.
 * (One that did so late, in passing, may know of a later attempt for which all
 * were READY once: that can take effect no more.)
 */
#define LINE(f, l) assert(!(EFFECTIVE(f) && EFFECTIVE(l)) || \
	HAS(v[l].above, f))
#define BORN(f, l) assert(!(e == l && EFFECTIVE(f)) || HAS(v[l].above, f))
/*
 * I10: what all members of a view held, so that any of them may have delivered
 * it as safe, is in the past of each view that goes on from there.
 * KEPT: what somebody may have delivered up to the cut when he entered a view is
 * in the past of each that goes on with state from where that one did, and to
 * which one of its members comes who was READY for it and has not restarted.
 * (It can only come about if all of its members in the later one were READY.)
 * STRICT asks the same without him.  That does not hold: all others may restart
 * before they enter the view, and then it never took effect.
 */
#define COMES(k, l) (e == l && v[k].prev != 0 && !v[l].scratch && \
	(s & v[k].members & ~v[k].ready) == 0 && \
	(s & v[k].ready & v[k].alive) != 0)
#define KEPT(k, l) assert(!COMES(k, l) || v[l].prev != v[k].prev || \
	v[l].cut >= v[k].cut)
#define SAFE(f, l) assert(!(FORMED(l) && v[l].prev == f) || \
	v[l].cut >= v[f].safe)
#define ONE(a, b) assert(!(STANDS(a) && STANDS(b)))

#if EMAX == 4
#define PAIRS(CHECK) CHECK(1, 2); CHECK(1, 3); CHECK(1, 4); CHECK(2, 3); \
	CHECK(2, 4); CHECK(3, 4)
#else
#define PAIRS(CHECK) CHECK(1, 2); CHECK(1, 3); CHECK(2, 3)
#endif

inline check() {
	PAIRS(LINE);
	PAIRS(ONE);
	PAIRS(SAFE)
}

#define UNDECIDED(x) (v[x].members == 0)
#define LEADS(i, x) (HAS(v[x].members & ~v[x].fresh, i) && \
	((v[x].members & ~v[x].fresh) & (BIT(i) - 1)) == 0)

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

#define QUORUM(x) (BUG == 3 || COUNT(x) >= 2)

/* Its prim is not the newest, nor next for it; or a later base lacks it. */
#define LACKS(j, i) (HAS(s, j) && n[j].base > n[i].prim && \
	!HAS(v[n[j].base].members & v[n[j].base].alive, i))
#define STALE(i) (HAS(s, i) && n[i].prim != 0 && ( \
	(BUG != 5 && n[i].prim != p && !HAS(n[i].chain, p)) || \
	(BUG != 6 && (LACKS(0, i) || LACKS(1, i) || LACKS(2, i)))))

#define OF_PRIM(i) (HAS(s, i) && n[i].prim == p)
#define HAS_STATE(i) (OF_PRIM(i) && (n[i].synced || n[i].held >= 1))
#define FOLLOWS(i) (n[i].prim == p || HAS(n[i].chain, p))
/* best: the longest log; with its SYNC everybody's state will be complete. */
#define FRESH(i) (HAS(s, i) && (!FOLLOWS(i) || \
	!(n[i].synced || n[i].held >= 1 || best >= 1)))
#define PRIM(i) (HAS(s, i) -> n[i].prim : 0)
#define BASE(i) (HAS(s, i) -> n[i].base : 0)
/* The last view that a new one was READY for, if that has a past: its log. */
#if EMAX == 4
#define SHOWN4(i) HAS(n[i].chain, 4) && v[4].prev != 0 -> 4 :
#else
#define SHOWN4(i)
#endif
#define SHOWN(i) (SHOWN4(i) (HAS(n[i].chain, 3) && v[3].prev != 0 -> 3 : \
	(HAS(n[i].chain, 2) && v[2].prev != 0 -> 2 : 0)))
#define KEEPS(i) (BUG != 9 && HAS(s, i) && n[i].prim == 0 && SHOWN(i) != 0 && \
	v[SHOWN(i)].prev == p)
#define HELD(i) (OF_PRIM(i) -> n[i].held : (KEEPS(i) -> v[SHOWN(i)].cut : 0))

/* The coordinator has all answers: those of m, to a proposal of x. */
inline decide(x, m) {
	e = x;
	s = m;
	p = MAX(MAX(PRIM(0), PRIM(1)), PRIM(2));
	if
	:: QUORUM(s) && !STALE(0) && !STALE(1) && !STALE(2) ->
		assert(UNDECIDED(e)); /* I3 */
		v[e].members = s;
		v[e].alive = s;
		best = MAX(MAX(HELD(0), HELD(1)), HELD(2));
		promise(0);
		promise(1);
		promise(2);
		if
		:: p != 0 && (HAS_STATE(0) || HAS_STATE(1) || HAS_STATE(2) ||
		    best >= 1) ->
			v[e].prev = p;
			v[e].cut = (BUG == 1 -> HELD(LOWEST(s)) : best);
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
		printf("view %d: members %d fresh %d prev %d cut %d\n",
		    e, s, v[e].fresh, v[e].prev, v[e].cut);
		PAIRS(BORN);
		PAIRS(KEPT)
	:: else /* no primary view: it is as if nobody had answered */
	fi;
	s = 0; e = 0; p = 0; best = 0
}

#define INSTALLS(i) (n[i].phase == WEDGED && \
	HAS(v[n[i].promised].members & v[n[i].promised].alive, i))

inline restart(i) {
	printf("%d restarts\n", i);
#if BUG == 2
	n[i].promised = 0;
#endif
	n[i].phase = NEW;
	n[i].prim = 0;
	n[i].chain = 0;
	n[i].held = 0;
	n[i].done = 0;
	n[i].synced = 0;
	for (i_ : 1 .. EMAX) {
		v[i_].alive = v[i_].alive & ~BIT(i)
	}
	i_ = 0
}

/* One view of those to be entered. */
inline enter(i, x) {
	if
	:: v[x].prev != 0 && v[x].prev == n[i].prim ->
		/* I4: nobody has delivered what the others will not. */
		assert(n[i].done <= v[x].cut);
		n[i].done = v[x].cut
#if STRICT
		; v[n[i].prim].safe = MAX(v[n[i].prim].safe, v[x].cut)
#endif
	:: else ->
		/* Its state is not that of the view. */
		down = !HAS(v[x].fresh, i) && !v[x].scratch
	fi;
	if
	:: !down ->
		assert(x > n[i].base); /* I2 */
		assert(HAS(v[x].members, i)); /* I1 */
		n[i].prim = x;
		n[i].base = x;
		n[i].held = 0;
		n[i].done = 0;
		n[i].synced = !HAS(v[x].fresh, i);
		n[i].chain = n[i].chain & ~BIT(x);
		v[x].entered = v[x].entered | BIT(i);
		printf("%d enters %d\n", i, x)
	:: else
	fi
}

/* Views up to x whose COMMIT it missed, back to where it stands. */
inline enter_to(i, x) {
	s = BIT(x);
	p = v[x].prev;
	do
	:: p != 0 && p != n[i].prim && HAS(n[i].chain, p) ->
		s = s | BIT(p);
		p = v[p].prev
	:: else -> break
	od;
	p = 0;
	for (i_ : 1 .. EMAX) {
		if
		:: HAS(s, i_) && !down -> enter(i, i_)
		:: else
		fi
	}
	n[i].chain = 0;
	i_ = 0; s = 0
}

inline prepare(i) {
	if
	:: BUG != 8 && v[e].prev != 0 && v[e].prev == n[i].prim ->
		n[i].held = MAX(n[i].held, v[e].cut)
	:: else
	fi;
	n[i].chain = n[i].chain | BIT(e);
	n[i].phase = READY;
	v[e].ready = v[e].ready | BIT(i);
	printf("%d is READY for %d\n", i, e)
}

/* It takes what it misses and says READY; nothing of that is delivered yet. */
inline install(i) {
	e = n[i].promised;
	if
	:: v[e].prev != 0 && HAS(n[i].chain, v[e].prev) &&
	    (BUG == 10 || n[i].chain >> (v[e].prev + 1) == 0) ->
		enter_to(i, v[e].prev)
	:: else
	fi;
	if
	:: down -> restart(i)
	:: else -> prepare(i)
	fi;
	e = 0; down = 0;
	check()
}

#define ENTERS(i) (n[i].phase == READY && (FORMED(n[i].promised) || EARLY))

/* COMMIT: first the views of which it was missed, then the one it names. */
inline go(i) {
	e = n[i].promised;
	enter_to(i, e);
	n[i].phase = STEADY;
	if
	:: down -> restart(i)
	:: else
	fi;
	e = 0; down = 0;
	check()
}

#define OPEN(i) (n[i].prim != 0 && (n[i].phase == STEADY || \
	(BUG == 7 && n[i].phase == WEDGED)))

inline take(i) {
	e = n[i].prim;
	n[i].held++;
	n[i].done = n[i].held;
	n[i].synced = 1;
	printf("%d takes position %d of %d\n", i, n[i].held, e);
	if
	:: n[i].held == 1 -> v[e].hold1 = v[e].hold1 | BIT(i)
	:: else -> v[e].hold2 = v[e].hold2 | BIT(i)
	fi;
	if
	:: v[e].hold2 == v[e].members -> v[e].safe = 2
	:: else -> v[e].safe = MAX(v[e].safe,
	    (v[e].hold1 == v[e].members -> 1 : 0))
	fi;
	e = 0;
	check()
}

/* A later primary view than all it knows of went on without it. */
#define OUT(i, j) (n[j].base > n[i].prim && (n[i].prim | n[i].chain) != 0 && \
	(n[i].chain >> n[j].base) == 0 && \
	!HAS(v[n[j].base].members & v[n[j].base].alive, i))

#define EARLY (BUG == 4)
#define FORGETS (BUG == 2)
#define MAYBE(m) QUORUM(m)
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
	:: d_step { OPEN(i) && LEADS(i, n[i].prim) && \
		v[n[i].prim].given < POSITIONS && \
		v[n[i].prim].given == n[i].held -> \
		v[n[i].prim].given++; take(i) } \
	:: d_step { OPEN(i) && n[i].held < v[n[i].prim].given -> take(i) } \
	:: d_step { restarts < RESTARTS && n[i].phase != NEW -> \
		restarts++; restart(i) } \
	:: d_step { OUT(i, j) || OUT(i, k) -> restart(i) }

active proctype cluster() {
end:	do
	ROUNDS(ALL)
	NODE(0, 1, 2)
	NODE(1, 2, 0)
	NODE(2, 0, 1)
	od
}
