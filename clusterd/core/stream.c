/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A message is a channel, a length and bytes; messages follow each other
 * without gaps and are cut into numbered segments.  Small messages of one
 * step share a segment, because the last segment stays open until it is
 * first sent.  From then on it never changes.
 *
 * Loss is found in three ways, as in TCP: a segment three behind the newest
 * one that arrived is sent again at once (at most once per round trip); when
 * nothing is heard for twice as long as an answer takes, the oldest are, as
 * probes whose answer tells of the others (RFC 8985); and when nothing is heard
 * for the retransmission time everything on its way is.
 *
 * T1	Segments are handed out in order, each byte once.
 * T2	A segment that was sent keeps its number and its bytes.
 * T3	Queued bytes stay below STREAM_QUEUE_HARD, and below STREAM_QUEUE_MAX
 *	unless the peer takes them; segments on their way stay below
 *	STREAM_WINDOW, and the receiver stores none beyond that window.
 * T4	Something on its way implies a deadline.
 *
 * clusterd-protocol(7), section 5.
 */

#include "stream.h"

#define MESSAGE_HEAD   5 /* u8 channel, u32 length */
#define RTO_MIN_US     UINT64_C(20000)
#define RTO_MAX_US     UINT64_C(500000)
#define RTO_START_US   UINT64_C(60000)
#define ACK_DELAY_US   UINT64_C(5000)
#define ACK_EVERY      8 /* segments without an acknowledgement */
#define REORDER	       3 /* segments overtaken before one counts as lost */
#define PROBE_MIN_US   UINT64_C(2000)
#define PROBES_MAX     2 /* in a row, before the retransmission time counts */
#define PROBE_SEGMENTS 2
#define CWND_START     64
#define CWND_MIN       8

struct segment {
	TAILQ_ENTRY(segment) entry;
	uint64_t no;
	uint64_t sent_at; /* last time */
	unsigned tries;
	bool arrived; /* acknowledged out of order */
	bool lost;    /* to be sent again */
	size_t len;
	uint8_t data[WIRE_SEGMENT_MAX];
};

TAILQ_HEAD(segments, segment);

struct stream {
	/* Sending: acknowledged ones leave at the head. */
	struct segments out;
	struct segment *unsent; /* first never sent, or NULL */
	uint64_t next_no;	/* number of the next new segment */
	size_t queued;		/* bytes in out */
	uint64_t progress_at;	/* something was acknowledged, or begun */
	unsigned flying;	/* sent, neither arrived nor lost */
	unsigned lost;
	bool again; /* the last one picked had been sent before */
	unsigned cwnd, ssthresh, credit;
	uint64_t cut_at; /* last time the window was cut */
	uint64_t srtt, rttvar;
	unsigned backoff;
	unsigned probes; /* since something arrived */
	/* When something arrived, or was sent into silence. */
	uint64_t heard_at;
	/* Of those that one acknowledgement tells of, the last one sent. */
	uint64_t newest_at;
	bool newest_first; /* it had not been sent before */

	/* Receiving. */
	uint64_t in_next; /* number expected */
	unsigned nearly;
	struct wbuf in; /* bytes in order */
	size_t in_off;	/* consumed of them */
	bool broken;
	uint64_t ack_at; /* UINT64_MAX: none owed */
	unsigned unacked;
	/* Last: all above is looked at in every step, for every peer. */
	struct segment *early[STREAM_WINDOW];
};

static void
init(struct stream *s)
{
	TAILQ_INIT(&s->out);
	s->next_no = 1;
	s->cwnd = CWND_START;
	s->ssthresh = STREAM_WINDOW;
	s->in_next = 1;
	s->ack_at = UINT64_MAX;
	wbuf_init(&s->in,
	    STREAM_MESSAGE_MAX + MESSAGE_HEAD +
		(STREAM_WINDOW + 1) * WIRE_SEGMENT_MAX);
}

struct stream *
stream_new(void)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s != NULL)
		init(s);
	return s;
}

static void
clear(struct stream *s)
{
	struct segment *seg;
	unsigned i;

	while ((seg = TAILQ_FIRST(&s->out)) != NULL) {
		TAILQ_REMOVE(&s->out, seg, entry);
		free(seg);
	}
	for (i = 0; i < STREAM_WINDOW; i++)
		free(s->early[i]);
	wbuf_free(&s->in);
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	clear(s);
	free(s);
}

void
stream_reset(struct stream *s)
{
	clear(s);
	memset(s, 0, sizeof(*s));
	init(s);
}

/* ---- sending ----------------------------------------------------------- */

/*
 * Cuts bytes into segments.  The last one takes more until it is first sent,
 * by which the messages of one step share datagrams without any waiting.
 */
static void
append(struct stream *s, const uint8_t *p, size_t len)
{
	struct segment *seg = TAILQ_LAST(&s->out, segments);
	size_t n;

	s->queued += len;
	while (len > 0) {
		if (seg == NULL || seg->tries > 0 ||
		    seg->len == WIRE_SEGMENT_MAX) {
			seg = malloc(sizeof(*seg));
			ASSERT(seg != NULL);
			memset(seg, 0, offsetof(struct segment, data));
			seg->no = s->next_no++;
			TAILQ_INSERT_TAIL(&s->out, seg, entry);
			if (s->unsent == NULL)
				s->unsent = seg;
		}
		n = MIN(len, WIRE_SEGMENT_MAX - seg->len);
		memcpy(seg->data + seg->len, p, n);
		seg->len += n;
		p += n;
		len -= n;
	}
}

bool
stream_send(struct stream *s, uint64_t now, uint8_t chan, const void *data,
    size_t len)
{
	uint8_t head[MESSAGE_HEAD] = { chan, (uint8_t)(len >> 24),
		(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len };

	ASSERT(len <= STREAM_MESSAGE_MAX);
	if (s->queued == 0)
		s->progress_at = now;
	if (s->queued + MESSAGE_HEAD + len > STREAM_QUEUE_HARD)
		return false;
	if (s->queued + MESSAGE_HEAD + len > STREAM_QUEUE_MAX &&
	    now - s->progress_at > STREAM_STALL_US)
		return false;
	append(s, head, sizeof(head));
	append(s, data, len);
	return true;
}

/* Lost ones go before new ones: the receiver waits for the oldest. */
static struct segment *
first_lost(const struct stream *s)
{
	struct segment *seg;

	if (s->lost == 0)
		return NULL;
	TAILQ_FOREACH(seg, &s->out, entry)
		if (seg->lost)
			return seg;
	return NULL;
}

/* What may go out next, or NULL. */
static struct segment *
first_to_go(const struct stream *s)
{
	struct segment *seg;

	if (s->flying >= s->cwnd)
		return NULL;
	seg = first_lost(s);
#if MUTANT == 102
	/* Every fourth resend is forgotten. */
	if (seg != NULL && seg->no % 4 == 0)
		return NULL;
#endif
	if (seg != NULL)
		return seg;
	seg = s->unsent;
	if (seg == NULL || seg->no >= TAILQ_FIRST(&s->out)->no + STREAM_WINDOW)
		return NULL;
	return seg;
}

bool
stream_ready(const struct stream *s)
{
	return first_to_go(s) != NULL;
}

bool
stream_pick(struct stream *s, uint64_t now, struct wire_data *d)
{
	struct segment *seg = first_to_go(s);

	if (seg == NULL)
		return false;
	if (seg->lost) {
		seg->lost = false;
		s->lost--;
	} else
		s->unsent = TAILQ_NEXT(seg, entry);
	s->again = seg->tries > 0;
	seg->tries++;
	seg->sent_at = now;
	if (s->flying++ == 0)
		s->heard_at = now;
	d->segment = seg->no;
	d->data = seg->data;
	d->len = seg->len;
	return true;
}

bool
stream_again(const struct stream *s)
{
	return s->again;
}

/* Smoothed round trip and its variation, as RFC 6298 has them. */
static void
sample(struct stream *s, uint64_t rtt)
{
	uint64_t diff;

	if (s->srtt == 0) {
		s->srtt = MAX(rtt, UINT64_C(1));
		s->rttvar = rtt / 2;
		return;
	}
	diff = rtt > s->srtt ? rtt - s->srtt : s->srtt - rtt;
	s->rttvar = (3 * s->rttvar + diff) / 4;
	s->srtt = MAX((7 * s->srtt + rtt) / 8, UINT64_C(1));
}

/* The lower bound leaves room for an acknowledgement that was put off. */
static uint64_t
rto(const struct stream *s)
{
	uint64_t t = RTO_START_US;

	if (s->srtt != 0)
		t = MAX(RTO_MIN_US, s->srtt + 4 * s->rttvar);
	return MIN(t << MIN(s->backoff, 6U), RTO_MAX_US);
}

/* It is on the other side; it stops counting as on its way. */
static void
arrived(struct stream *s, struct segment *seg, uint64_t now)
{
	if (seg->arrived)
		return;
	if (seg->lost) {
		seg->lost = false;
		s->lost--;
	} else
		s->flying--;
	seg->arrived = true;
	if (seg->sent_at >= s->newest_at) {
		s->newest_at = seg->sent_at;
		s->newest_first = seg->tries == 1;
	}
	s->backoff = s->probes = 0;
	s->heard_at = now;
	if (s->cwnd < s->ssthresh)
		s->cwnd++;
	else if (++s->credit >= s->cwnd) {
		s->credit = 0;
		s->cwnd++;
	}
	s->cwnd = MIN(s->cwnd, STREAM_WINDOW);
}

/*
 * Loss means that some queue on the way is full.  One cut answers all losses
 * of one round trip, since they have one cause.
 */
static void
cut_window(struct stream *s, uint64_t now)
{
	if (s->cut_at != 0 && now - s->cut_at < MAX(s->srtt, RTO_MIN_US))
		return;
	s->cut_at = now;
	s->ssthresh = MAX(s->cwnd * 7 / 10, CWND_MIN);
	s->cwnd = s->ssthresh;
}

/* Segments overtaken by newest count as lost, once per round trip. */
static void
find_lost(struct stream *s, uint64_t newest, uint64_t now)
{
	struct segment *seg;
	uint64_t wait = MAX(s->srtt + s->srtt / 4, UINT64_C(1000));

	TAILQ_FOREACH(seg, &s->out, entry) {
		if (seg == s->unsent || seg->no + REORDER > newest)
			break;
		if (seg->arrived || seg->lost)
			continue;
		if (seg->tries > 1 && now - seg->sent_at < wait)
			continue;
		seg->lost = true;
		s->lost++;
		s->flying--;
		cut_window(s, now);
	}
}

bool
stream_ack(struct stream *s, const struct wire_ack *a, uint64_t now)
{
	struct segment *seg;
	uint64_t i, newest = 0;

	/* Neither acknowledge nor point beyond what was sent. */
	if (a->next > (s->unsent != NULL ? s->unsent->no : s->next_no))
		return false;
	s->newest_at = 0;
	s->newest_first = false;
	while ((seg = TAILQ_FIRST(&s->out)) != NULL && seg->no < a->next) {
		arrived(s, seg, now);
		TAILQ_REMOVE(&s->out, seg, entry);
		s->queued -= seg->len;
		s->progress_at = now;
		free(seg);
	}
	TAILQ_FOREACH(seg, &s->out, entry) {
		if (seg == s->unsent)
			break;
		if (seg->no <= a->next)
			continue;
		i = seg->no - a->next - 1;
		if (i / 8 >= a->nsack)
			break;
		if ((a->sack[i / 8] >> i % 8 & 1) == 0)
			continue;
		arrived(s, seg, now);
		newest = seg->no;
	}
	/*
	 * What was sent before the newest one may have been acknowledged
	 * before, in vain; and the answer to what was sent again may be for
	 * any of its copies.
	 */
	if (s->newest_first)
		sample(s, now - s->newest_at);
	if (newest != 0)
		find_lost(s, newest, now);
	return true;
}

/* ---- receiving --------------------------------------------------------- */

static void
take_in(struct stream *s, const uint8_t *p, size_t len)
{
	wbuf_bytes(&s->in, p, len);
	/* The buffer has room for a whole message and a whole window. */
	ASSERT(!s->in.err);
	s->in_next++;
}

/* Drops consumed bytes, so that the buffer holds one message at most. */
static void
compact(struct stream *s)
{
	if (s->in_off == 0)
		return;
	memmove(s->in.data, s->in.data + s->in_off, s->in.len - s->in_off);
	s->in.len -= s->in_off;
	s->in_off = 0;
}

/* The window bounds what a peer can make us keep: one slot per number. */
static void
keep_early(struct stream *s, const struct wire_data *d)
{
	struct segment **slot = &s->early[d->segment % STREAM_WINDOW];

	if (*slot != NULL)
		return;
	*slot = calloc(1, sizeof(**slot));
	if (*slot == NULL)
		return; /* as if it were lost on the way */
	(*slot)->no = d->segment;
	(*slot)->len = d->len;
	memcpy((*slot)->data, d->data, d->len);
	s->nearly++;
}

bool
stream_data(struct stream *s, const struct wire_data *d, uint64_t now)
{
	struct segment *seg;

	if (s->broken)
		return false;
	if (d->segment >= s->in_next + STREAM_WINDOW)
		return false;
	compact(s);
	/* A gap, its end, or a copy is told at once: it speeds the repair up. */
	s->unacked++;
	if (d->segment != s->in_next || s->nearly > 0 ||
	    s->unacked >= ACK_EVERY)
		s->ack_at = now;
	else if (s->ack_at == UINT64_MAX)
		s->ack_at = now + ACK_DELAY_US;
	if (d->segment < s->in_next)
		return true;
	if (d->segment > s->in_next) {
		keep_early(s, d);
		return true;
	}
	take_in(s, d->data, d->len);
	while ((seg = s->early[s->in_next % STREAM_WINDOW]) != NULL) {
		s->early[s->in_next % STREAM_WINDOW] = NULL;
		s->nearly--;
		take_in(s, seg->data, seg->len);
		free(seg);
	}
	return true;
}

bool
stream_next(struct stream *s, uint8_t *chan, const uint8_t **data, size_t *len)
{
	struct rbuf r;

	if (s->broken || s->in.len == s->in_off)
		return false;
	rbuf_init(&r, s->in.data + s->in_off, s->in.len - s->in_off);
	*chan = rbuf_u8(&r);
	*len = rbuf_u32(&r);
	if (r.err)
		return false;
	if (*len > STREAM_MESSAGE_MAX) {
		s->broken = true;
		return false;
	}
	*data = rbuf_take(&r, *len);
	if (*data == NULL)
		return false;
	s->in_off += MESSAGE_HEAD + *len;
	return true;
}

bool
stream_broken(const struct stream *s)
{
	return s->broken;
}

uint64_t
stream_ack_at(const struct stream *s)
{
	return s->ack_at;
}

void
stream_fill_ack(struct stream *s, struct wire_ack *a,
    uint8_t sack[WIRE_SACK_MAX])
{
	const struct segment *seg;
	unsigned i, left = s->nearly;

	memset(sack, 0, WIRE_SACK_MAX);
	a->next = s->in_next;
	a->nsack = 0;
	a->sack = sack;
	for (i = 0; i < STREAM_WINDOW - 1 && left > 0; i++) {
		seg = s->early[(s->in_next + 1 + i) % STREAM_WINDOW];
		if (seg == NULL)
			continue;
		left--;
		sack[i / 8] |= (uint8_t)(1U << i % 8);
		a->nsack = (uint8_t)(i / 8 + 1);
	}
	s->ack_at = UINT64_MAX;
	s->unacked = 0;
}

/* ---- time -------------------------------------------------------------- */

/*
 * By then an answer should have come.  Where fewer are on their way than make
 * the peer answer at once, it may put that off.
 */
static uint64_t
probe_at(const struct stream *s)
{
	uint64_t t = MAX(2 * s->srtt, PROBE_MIN_US);

	if (s->flying == 0 || s->srtt == 0 || s->probes >= PROBES_MAX)
		return UINT64_MAX;
	if (s->flying < ACK_EVERY)
		t += ACK_DELAY_US;
	return s->heard_at + (t << s->probes);
}

/* The oldest segment that is on its way decides. */
static uint64_t
resend_at(const struct stream *s)
{
	const struct segment *seg;

	if (s->flying == 0)
		return UINT64_MAX;
	TAILQ_FOREACH(seg, &s->out, entry)
		if (seg->tries > 0 && !seg->arrived && !seg->lost)
			return seg->sent_at + rto(s);
	return UINT64_MAX;
}

/* So many of the oldest on their way count as lost. */
static void
give_up(struct stream *s, unsigned most)
{
	struct segment *seg;

	TAILQ_FOREACH(seg, &s->out, entry) {
		if (seg == s->unsent || most == 0)
			break;
		if (seg->arrived || seg->lost)
			continue;
		seg->lost = true;
		s->lost++;
		s->flying--;
		most--;
	}
}

bool
stream_timer(struct stream *s, uint64_t now)
{
	if (resend_at(s) > now) {
		if (probe_at(s) > now)
			return false;
		give_up(s, PROBE_SEGMENTS);
		s->probes++;
		s->heard_at = now;
		return true;
	}
	give_up(s, STREAM_WINDOW);
	s->ssthresh = MAX(s->cwnd / 2, CWND_MIN);
	s->cwnd = CWND_MIN;
	s->cut_at = now;
	s->backoff++;
	return true;
}

uint64_t
stream_deadline(const struct stream *s)
{
	return MIN(MIN(resend_at(s), probe_at(s)), s->ack_at);
}

size_t
stream_queued(const struct stream *s)
{
	return s->queued;
}

uint64_t
stream_waits_since(const struct stream *s)
{
	return s->queued == 0 ? UINT64_MAX : s->progress_at;
}

void
stream_check(const struct stream *s)
{
	const struct segment *seg;
	unsigned flying = 0, lost = 0;
	size_t queued = 0;
	uint64_t no = 0;

	TAILQ_FOREACH(seg, &s->out, entry) {
		ASSERT(no == 0 || seg->no == no + 1); /* T1 */
		no = seg->no;
		queued += seg->len;
		if (seg->lost)
			lost++;
		else if (seg->tries > 0 && !seg->arrived)
			flying++;
	}
	ASSERT(queued == s->queued && queued <= STREAM_QUEUE_HARD); /* T3 */
	ASSERT(flying == s->flying && lost == s->lost);
	ASSERT(flying == 0 || stream_deadline(s) != UINT64_MAX); /* T4 */
}
