/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * clusterbench: measures a running cluster through libclusterd, as a program
 * of its own would see it (clusterbench(8)).  It measures the way that the
 * usual benchmarks of closed process groups do, so that the figures compare:
 * one message at a time for latency; for throughput, bursts of 64 until the
 * library says "too many", and what is delivered is counted, not what is sent.
 * Instants are CLOCK_REALTIME, so that those of several processes of one
 * machine can be subtracted.
 *
 * 1. Every wait has a deadline; nothing but watch without -d goes on for ever.
 * 2. A message is counted once, when it is delivered.
 * 3. Equal hashes of two members mean equal messages in an equal order.
 */

#include <sys/resource.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clusterd/compat.h"
#include "clusterd/libclusterd/clusterd.h"

#define SAMPLES_MAX 1000000
#define JOIN_US	    20000000 /* until the daemon answers, and the group is ours */
#define ECHO_US	    10000000 /* until a message of ours is back */
#define QUIET_US    500000   /* without a message: nothing more comes */
#define BURST	    64
#define HASH_START  14695981039346656037ULL
#define HASH_STEP   1099511628211ULL

struct head {
	uint32_t node;
	uint32_t unused;
	uint64_t client;
	uint64_t seq;
	int64_t sent_ns;
};

static struct bench {
	/* What was asked for. */
	const char *socket, *group;
	size_t size;
	uint64_t count, members_wanted;
	int64_t gap_us, start_us;
	double seconds;
	bool sends, safe, json, verbose;
	/* What is there. */
	struct cl *cl;
	struct cl_group *g;
	bool lost;
	int refused;
	unsigned members, group_views, views;
	unsigned gathered; /* members when counting begins */
	uint64_t last_own, own, all, in_msgs, in_bytes, sent, again, hash;
	int64_t last_ns, w0, w1;
	int64_t *lat;
	size_t nlat;
	uint8_t *buf;
} b;

static int64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void NORETURN PRINTF_LIKE(2, 3) give_up(int status, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "clusterbench: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(status);
}

/* --- what the cluster says ------------------------------------------------ */

static void
on_message(void *arg, const struct cl_group_member *from, const void *data,
    size_t len)
{
	int64_t t = clock_us();
	struct head h;

	if (len < sizeof(h))
		return;
	memcpy(&h, data, sizeof(h));
	b.all++;
	if (t >= b.w0 && t < b.w1) {
		b.in_msgs++;
		b.in_bytes += len;
	}
	b.hash = (b.hash ^ ((uint64_t)from->node << 40 ^ h.seq)) * HASH_STEP;
	if (from->node != cl_node(b.cl) || from->client != cl_client(b.cl))
		return;
	b.own++;
	b.last_ns = clock_ns() - h.sent_ns;
	b.last_own = h.seq;
	if (b.nlat < SAMPLES_MAX && t >= b.w0 && t < b.w1)
		b.lat[b.nlat++] = b.last_ns;
}

static void
on_group(void *arg, const struct cl_group_member *m, unsigned n)
{
	unsigned i;

	b.members = n;
	b.group_views++;
	if (!b.verbose)
		return;
	if (b.json)
		printf("{\"us\":%" PRId64 ",\"event\":\"group\",\"members\":[",
		    clock_us());
	else
		printf("%" PRId64 " group n=%u m=", clock_us(), n);
	for (i = 0; i < n; i++)
		printf("%s%u", i > 0 ? "," : "", m[i].node);
	printf(b.json ? "]}\n" : "\n");
}

static void
on_failed(void *arg, int error, const char *why)
{
	b.refused = error;
	fprintf(stderr, "clusterbench: refused: %s\n", why);
}

static void
on_left(void *arg)
{
	b.g = NULL;
	b.lost = true;
}

static const struct cl_group_ops group_ops = { .view = on_group,
	.message = on_message,
	.left = on_left,
	.failed = on_failed };

static void
on_view(void *arg, const struct cl_view *v)
{
	unsigned i;

	b.views++;
	if (!b.verbose)
		return;
	if (b.json)
		printf("{\"us\":%" PRId64
		       ",\"event\":\"view\",\"epoch\":%" PRIu64
		       ",\"quorate\":%s,\"members\":[",
		    clock_us(), v->epoch, v->quorate ? "true" : "false");
	else
		printf("%" PRId64 " view q=%d epoch=%" PRIu64 " n=%u m=",
		    clock_us(), v->quorate, v->epoch, v->nmembers);
	for (i = 0; i < v->nmembers; i++)
		printf("%s%u", i > 0 ? "," : "", v->members[i].node);
	printf(b.json ? "]}\n" : "\n");
}

static void
on_lost(void *arg, const char *why)
{
	b.lost = true;
}

static void
say_link(const char *what)
{
	if (b.json)
		printf("{\"us\":%" PRId64 ",\"event\":\"%s\"}\n", clock_us(),
		    what);
	else
		printf("%" PRId64 " %s\n", clock_us(), what);
}

/* --- the connection ------------------------------------------------------- */

/* Connects, watches and joins; false when the deadline has passed. */
static bool
enter(int64_t deadline_us)
{
	int error;

	for (;;) {
		error = cl_open(b.socket, &b.cl);
		if (error == 0)
			break;
		if (clock_us() > deadline_us) {
			fprintf(stderr, "clusterbench: %s: %s\n",
			    b.socket == NULL ? CL_SOCKET : b.socket,
			    strerror(error));
			return false;
		}
		usleep(2000);
	}
	b.lost = false;
	b.g = NULL;
	cl_on_lost(b.cl, on_lost, NULL);
	if (b.verbose)
		say_link("connected");
	if (cl_watch_views(b.cl, on_view, NULL) != 0 ||
	    cl_group_join(b.cl, b.group, &group_ops, NULL, &b.g) != 0)
		b.lost = true;
	return true;
}

static void
leave(void)
{
	cl_close(b.cl);
	b.cl = NULL;
	b.g = NULL;
}

/* Waits for something at most this long, and takes all that is there. */
static void
take(int timeout_ms)
{
	struct pollfd p = { .fd = cl_fd(b.cl), .events = POLLIN };

	if (timeout_ms != 0)
		(void)poll(&p, 1, timeout_ms);
	if (!b.lost && cl_dispatch(b.cl) != 0)
		b.lost = true;
}

/* One message; EAGAIN is the caller's to handle, everything else the end. */
static bool
send_one(uint64_t seq)
{
	struct head h = { .node = cl_node(b.cl),
		.client = cl_client(b.cl),
		.seq = seq,
		.sent_ns = clock_ns() };
	int error;

	memcpy(b.buf, &h, sizeof(h));
	if (b.lost || b.g == NULL)
		give_up(2, "the daemon or the group is gone");
	error = b.safe ? cl_group_send_safe(b.g, b.buf, b.size) :
			 cl_group_send(b.g, b.buf, b.size);
	if (error == EAGAIN)
		return false;
	if (error != 0)
		give_up(2, "send: %s", strerror(error));
	return true;
}

/* --- figures -------------------------------------------------------------- */

static int
compare(const void *x, const void *y)
{
	int64_t p = *(const int64_t *)x, q = *(const int64_t *)y;

	return p < q ? -1 : p > q;
}

static double
part(uint64_t thousandths)
{
	size_t i = (size_t)(b.nlat * thousandths / 1000);

	return (double)b.lat[MIN(i, b.nlat - 1)] / 1e3;
}

static void
print_latency(void)
{
	static const char *const names[] = { "min", "p50", "p90", "p99", "p999",
		"max" };
	static const unsigned at[] = { 0, 500, 900, 990, 999, 1000 };
	size_t i;

	printf(b.json ? "\"n\":%zu" : " n=%zu", b.nlat);
	if (b.nlat == 0)
		return;
	qsort(b.lat, b.nlat, sizeof(*b.lat), compare);
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		printf(b.json ? ",\"%s_us\":%.1f" : " %s=%.1f", names[i],
		    part(at[i]));
	if (!b.json)
		printf(" us");
}

static double
cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* --- the three measurements ------------------------------------------------ */

static int
watch(void)
{
	int64_t end =
	    b.seconds > 0 ? clock_us() + (int64_t)(b.seconds * 1e6) : INT64_MAX;
	int64_t left;

	b.verbose = true;
	while (clock_us() < end && enter(end)) {
		while (!b.lost && (left = end - clock_us()) > 0)
			take((int)MIN(left / 1000 + 1, 1000));
		if (b.lost)
			say_link("disconnected");
		leave();
	}
	return 0;
}

/* Own delivery: one message at a time, from the call to the callback. */
static int
latency(void)
{
	int64_t deadline = clock_us() + JOIN_US;
	unsigned views;
	uint64_t i;

	while (b.members < MAX(b.members_wanted, 1)) {
		take(5);
		if (b.lost || clock_us() > deadline)
			give_up(2, "the group is not complete");
	}
	views = b.views;
	for (i = 1; i <= b.count; i++) {
		deadline = clock_us() + ECHO_US;
		while (!send_one(i))
			take(1);
		while (b.last_own != i) {
			take(1000);
			if (b.lost || clock_us() > deadline)
				give_up(2, "message %" PRIu64 " is not back",
				    i);
		}
		if (b.nlat < SAMPLES_MAX)
			b.lat[b.nlat++] = b.last_ns;
		if (b.gap_us > 0)
			usleep((useconds_t)b.gap_us);
	}
	if (b.json)
		printf("{\"what\":\"latency\",\"node\":%u,\"size\":%zu,"
		       "\"gap_us\":%" PRId64 ",\"safe\":%s,\"views\":%u,",
		    cl_node(b.cl), b.size, b.gap_us, b.safe ? "true" : "false",
		    b.views - views);
	else
		printf("latency node=%u size=%zu gap_us=%" PRId64 "%s views=%u",
		    cl_node(b.cl), b.size, b.gap_us, b.safe ? " safe" : "",
		    b.views - views);
	print_latency();
	printf(b.json ? "}\n" : "\n");
	return 0;
}

static void
print_flood(double cpu, unsigned views)
{
	if (b.json)
		printf("{\"what\":\"flood\",\"node\":%u,\"size\":%zu,"
		       "\"seconds\":%g,\"members\":%u,\"sent\":%" PRIu64
		       ",\"own\":%" PRIu64 ",\"all\":%" PRIu64
		       ",\"delivered\":%" PRIu64
		       ",\"msgs_s\":%.0f,\"mb_s\":%.2f"
		       ",\"again\":%" PRIu64 ",\"views\":%u,\"group_views\":%u"
		       ",\"hash\":\"%016" PRIx64 "\",\"cpu_s\":%.2f,"
		       "\"latency\":{",
		    cl_node(b.cl), b.size, b.seconds, b.gathered, b.sent, b.own,
		    b.all, b.in_msgs, (double)b.in_msgs / b.seconds,
		    (double)b.in_bytes / b.seconds / 1e6, b.again, views,
		    b.group_views, b.hash, cpu);
	else
		printf("flood node=%u size=%zu members=%u sent=%" PRIu64
		       " own=%" PRIu64 " all=%" PRIu64 " delivered=%" PRIu64
		       " msgs_s=%.0f mb_s=%.2f again=%" PRIu64
		       " views=%u group_views=%u hash=%016" PRIx64
		       " cpu_s=%.2f latency",
		    cl_node(b.cl), b.size, b.gathered, b.sent, b.own, b.all,
		    b.in_msgs, (double)b.in_msgs / b.seconds,
		    (double)b.in_bytes / b.seconds / 1e6, b.again, views,
		    b.group_views, b.hash, cpu);
	print_latency();
	printf(b.json ? "}}\n" : "\n");
}

/* Until the given instant, so that the members of all nodes begin together. */
static void
flood_gather(void)
{
	int64_t begin = b.start_us;

	while (clock_us() < begin &&
	    (b.members < b.members_wanted || clock_us() < begin - 200000)) {
		take(5);
		if (b.lost)
			give_up(2, "the daemon is gone");
	}
	b.gathered = b.members;
	if (b.members < b.members_wanted)
		give_up(2, "%u of %" PRIu64 " members are there", b.members,
		    b.members_wanted);
}

static int
flood(void)
{
	unsigned burst, views;
	int64_t end;
	uint64_t before;
	double cpu;

	if (b.start_us == 0)
		b.start_us = clock_us() + 1000000;
	b.w0 = b.start_us;
	b.w1 = b.start_us + (int64_t)(b.seconds * 1e6);
	flood_gather();
	views = b.views;
	cpu = cpu_seconds();
	while (clock_us() < b.w1) {
		for (burst = 0; b.sends && burst < BURST; burst++) {
			if (!send_one(b.sent + 1)) {
				b.again++;
				break;
			}
			b.sent++;
		}
		take(burst == BURST ? 0 : b.sends ? 1 : 5);
		if (b.lost)
			give_up(2, "the daemon is gone");
	}
	for (end = clock_us() + QUIET_US; clock_us() < end && !b.lost;) {
		before = b.all;
		take(20);
		if (b.all != before)
			end = MIN(clock_us() + QUIET_US, b.w1 + ECHO_US);
	}
	print_flood(cpu_seconds() - cpu, b.views - views);
	return 0;
}

/* --- the command line ------------------------------------------------------ */

static void NORETURN
usage(void)
{
	fprintf(stderr,
	    "usage: clusterbench [-jS] [-g group] [-i us] [-l bytes] "
	    "[-m members] [-n count]\n"
	    "                    [-s socket] latency\n"
	    "       clusterbench [-jSx] [-d seconds] [-g group] [-l bytes] "
	    "[-m members]\n"
	    "                    [-s socket] [-t instant] flood\n"
	    "       clusterbench [-j] [-d seconds] [-g group] [-s socket] "
	    "watch\n");
	exit(64);
}

static uint64_t
number(const char *s, uint64_t max)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || *end != '\0' || errno != 0 || n > max)
		give_up(64, "%s: not a number from 0 to %" PRIu64, s, max);
	return n;
}

static double
duration(const char *s)
{
	char *end;
	double d = strtod(s, &end);

	if (end == s || *end != '\0' || !(d > 0 && d <= 86400))
		give_up(64, "%s: not a number of seconds", s);
	return d;
}

static void
options(int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL,
						   'j' },
		{ "safe", no_argument, NULL, 'S' }, { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "d:g:i:jl:m:n:Ss:t:x", longs,
		    NULL)) != -1)
		switch (c) {
		case 'd':
			b.seconds = duration(optarg);
			break;
		case 'g':
			b.group = optarg;
			break;
		case 'i':
			b.gap_us = (int64_t)number(optarg, 10000000);
			break;
		case 'j':
			b.json = true;
			break;
		case 'l':
			b.size = number(optarg, CL_MSG_MAX);
			break;
		case 'm':
			b.members_wanted = number(optarg, 1024);
			break;
		case 'n':
			b.count = number(optarg, SAMPLES_MAX);
			break;
		case 'S':
			b.safe = true;
			break;
		case 's':
			b.socket = optarg;
			break;
		case 't':
			b.start_us = (int64_t)number(optarg, INT64_MAX);
			break;
		case 'x':
			b.sends = true;
			break;
		default:
			usage();
		}
}

int
main(int argc, char **argv)
{
	const char *what;
	int rc;

	b.group = "bench";
	b.size = 64;
	b.count = 1000;
	b.hash = HASH_START;
	options(argc, argv);
	if (argc - optind != 1)
		usage();
	what = argv[optind];
	b.size = MAX(b.size, sizeof(struct head));
	b.buf = malloc(b.size);
	b.lat = calloc(SAMPLES_MAX, sizeof(*b.lat));
	if (b.buf == NULL || b.lat == NULL)
		give_up(1, "no memory");
	memset(b.buf, 0xa5, b.size);
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_DFL);
	if (strcmp(what, "watch") == 0)
		return watch();
	if (b.seconds == 0)
		b.seconds = 3;
	if (strcmp(what, "latency") == 0)
		rc = enter(clock_us() + JOIN_US) ? latency() : 1;
	else if (strcmp(what, "flood") == 0)
		rc = enter(clock_us() + JOIN_US) ? flood() : 1;
	else
		usage();
	leave();
	return rc;
}
