/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * From a run that fails to a smaller one that breaks the same invariant: with
 * fewer nodes, over before, and with as many faults left out as possible.  A
 * smaller run differs in everything from its first difference on, so whether
 * it fails is tried, and not computed: each attempt is a run in a child.
 */

#include <sys/wait.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim.h"

bool
shrink_parse(struct sim *s, const char *list)
{
	unsigned long lo, hi;
	char *end;

	for (;;) {
		lo = hi = strtoul(list, &end, 10);
		if (end == list)
			return false;
		if (*end == '-') {
			list = end + 1;
			hi = strtoul(list, &end, 10);
			if (end == list)
				return false;
		}
		if (lo > hi || hi >= FAULT_MAX)
			return false;
		for (; lo <= hi; lo++)
			s->off[lo] = true;
		if (*end == '\0')
			return true;
		if (*end != ',')
			return false;
		list = end + 1;
	}
}

static void
child(const struct sim *proto, int out)
{
	struct sim *s = sim_new(proto, proto->seed);
	int null = open("/dev/null", O_WRONLY);

	if (null == -1 || dup2(null, STDOUT_FILENO) == -1)
		_exit(2);
	s->report = out;
	s->verbose = false;
	sim_run(s);
	_exit(0);
}

/* What the run breaks, or INV_MAX; and how many faults it had. */
static enum invariant
attempt(const struct sim *proto, unsigned *faults)
{
	enum invariant inv = INV_MAX;
	unsigned n = 0;
	int fds[2];
	pid_t pid;

	fflush(stdout);
	if (pipe(fds) != 0)
		err(1, "pipe");
	pid = fork();
	if (pid == -1)
		err(1, "fork");
	if (pid == 0)
		child(proto, fds[1]);
	close(fds[1]);
	if (read(fds[0], &inv, sizeof(inv)) != sizeof(inv) ||
	    read(fds[0], &n, sizeof(n)) != sizeof(n))
		inv = INV_MAX;
	close(fds[0]);
	while (waitpid(pid, NULL, 0) == -1)
		;
	if (faults != NULL)
		*faults = n;
	return inv;
}

static bool
fewer_nodes(struct sim *p, enum invariant inv)
{
	unsigned n, old = p->n;

	for (n = 2; n < old; n++) {
		p->n = n;
		if (attempt(p, NULL) == inv)
			return true;
	}
	p->n = old;
	return false;
}

static bool
shorter(struct sim *p, enum invariant inv)
{
	uint64_t t, old = p->until;

	for (t = SEC; t < old; t += MAX(old / SEC / 16, 1) * SEC) {
		p->until = t;
		if (attempt(p, NULL) == inv)
			return true;
	}
	p->until = old;
	return false;
}

/* Large pieces first, then single ones. */
static bool
fewer_faults(struct sim *p, enum invariant inv)
{
	struct sim *q = malloc(sizeof(*q));
	unsigned n, end, len, at, i, dropped;
	bool any = false;

	ASSERT(q != NULL);
	attempt(p, &n);
	end = MIN(FAULT_FIRST + n, (unsigned)FAULT_MAX);
	for (len = end; len > 0; len /= 2) {
		for (at = 1; at < end; at += len) {
			*q = *p;
			dropped = 0;
			for (i = at; i < MIN(at + len, end); i++) {
				/* Between the two kinds there is nothing. */
				if (q->off[i] ||
				    (i >= ST_MAX && i < FAULT_FIRST))
					continue;
				q->off[i] = true;
				dropped++;
			}
			if (dropped == 0 || attempt(q, NULL) != inv)
				continue;
			*p = *q;
			any = true;
		}
	}
	free(q);
	return any;
}

static void
print_command(const struct sim *p)
{
	const char *sep = " -x ";
	unsigned i, k;

	printf("sim%s%s%s%s -s %llu -n %u -T %llu", p->two_disks ? " -d" : "",
	    p->race ? " -r" : "", p->generated ? " -g" : "",
	    p->mixed ? " -w" : "", (unsigned long long)p->seed, p->n,
	    (unsigned long long)(p->until / SEC));
	if (p->want_profile != NULL)
		printf(" -p %s", p->want_profile);
	for (i = 1; i < FAULT_MAX; i = k + 1) {
		for (k = i; k < FAULT_MAX && p->off[k]; k++)
			;
		if (k == i)
			continue;
		if (k - i == 1)
			printf("%s%u", sep, i);
		else
			printf("%s%u-%u", sep, i, k - 1);
		sep = ",";
	}
	printf("\n");
}

int
shrink(const struct sim *proto)
{
	struct sim *p = malloc(sizeof(*p));
	enum invariant inv;
	unsigned faults;
	bool better = true;

	ASSERT(p != NULL);
	*p = *proto;
	if (p->n == 0)
		p->n = sim_nodes(p);
	inv = attempt(p, &faults);
	if (inv == INV_MAX) {
		printf("seed %llu does not fail\n",
		    (unsigned long long)p->seed);
		free(p);
		return 1;
	}
	printf("seed %llu: %u nodes, %llu s, %u faults break %s\n",
	    (unsigned long long)p->seed, p->n,
	    (unsigned long long)(p->until / SEC), faults, inv_name(inv));
	while (better) {
		better = fewer_nodes(p, inv);
		better |= shorter(p, inv);
		better |= fewer_faults(p, inv);
	}
	print_command(p);
	free(p);
	return 0;
}
