/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <unistd.h>

#include "sandbox.h"

/* Allowed with any arguments. */
static const int calls[] = {
	/* bytes over descriptors we hold */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(accept4), SCMP_SYS(shutdown), SCMP_SYS(close), SCMP_SYS(fstat),
	SCMP_SYS(lseek),
	/* waiting */
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
	SCMP_SYS(epoll_ctl), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_settime), SCMP_SYS(restart_syscall),
	SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
	/* time and chance, where the vDSO does not answer */
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(getrandom),
	/* memory; see below for mmap and mprotect */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	/* ourselves */
	SCMP_SYS(futex), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(exit),
	SCMP_SYS(exit_group)
};

/* An int argument with this value; its upper half is noise. */
static struct scmp_arg_cmp
equals(unsigned arg, uint64_t value)
{
	struct scmp_arg_cmp c = { .arg = arg,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = UINT32_MAX,
		.datum_b = value };

	return c;
}

/* A protection argument without execute permission. */
static struct scmp_arg_cmp
no_exec(unsigned arg)
{
	struct scmp_arg_cmp c = { .arg = arg,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = PROT_EXEC,
		.datum_b = 0 };

	return c;
}

static int
allow_all(scmp_filter_ctx ctx)
{
	size_t i;
	int rc;

	for (i = 0; i < NITEMS(calls); i++) {
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
allow_some(scmp_filter_ctx ctx)
{
	static const int fcntls[] = { F_GETFL, F_SETFL, F_GETFD, F_SETFD };
	static const int sockopts[] = { SO_PEERCRED, SO_PEERGROUPS, SO_ERROR,
		SO_TYPE };
	size_t i;
	int rc = 0;

	for (i = 0; i < NITEMS(fcntls) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
		    equals(1, (uint64_t)fcntls[i]));
	for (i = 0; i < NITEMS(sockopts) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(getsockopt),
		    2, equals(1, SOL_SOCKET), equals(2, (uint64_t)sockopts[i]));
	/* Memory is never made executable. */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		    no_exec(2));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect),
		    1, no_exec(2));
	/* abort() signals this very process. */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		    equals(0, (uint64_t)getpid()));
	return rc;
}

/*
 * What the C library tries by itself is refused, not punished: syslog()
 * wants a new socket when the log daemon is restarted, and naming memory
 * areas is a courtesy.
 */
static int
refuse_some(scmp_filter_ctx ctx)
{
	int rc;

	rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 2,
	    equals(0, AF_UNIX), equals(1, SOCK_DGRAM | SOCK_CLOEXEC));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EINVAL),
		    SCMP_SYS(prctl), 1, equals(0, PR_SET_VMA));
	return rc;
}

#ifdef SANITIZED
/*
 * A sanitizer that has found something looks for a terminal and for names
 * while it says so, and tries by a pipe what can be read: it may, or is
 * refused, or nobody would read what it has found.
 */
static int
allow_sanitizer(scmp_filter_ctx ctx)
{
	static const int asked[] = { SCMP_SYS(ioctl), SCMP_SYS(open),
		SCMP_SYS(openat), SCMP_SYS(readlink) };
	static const int pipes[] = { SCMP_SYS(pipe), SCMP_SYS(pipe2) };
	size_t i;
	int rc = 0;

	for (i = 0; i < NITEMS(asked) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), asked[i], 0);
	for (i = 0; i < NITEMS(pipes) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, pipes[i], 0);
	return rc;
}
#else
static int
allow_sanitizer(scmp_filter_ctx ctx)
{
	return 0;
}
#endif

static int
allow_disk(scmp_filter_ctx ctx)
{
	static const int disk[] = { SCMP_SYS(pread64), SCMP_SYS(pwrite64) };
	size_t i;
	int rc = 0;

	for (i = 0; i < NITEMS(disk) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, disk[i], 0);
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
		    equals(1, F_OFD_SETLK));
	return rc;
}

/* What a client of UDP or TCP asks for, with any of its options. */
static int
allow_network(scmp_filter_ctx ctx)
{
	static const int net[] = { SCMP_SYS(bind), SCMP_SYS(connect),
		SCMP_SYS(setsockopt), SCMP_SYS(getsockname) };
	static const int families[] = { AF_INET, AF_INET6 };
	size_t i;
	int rc = 0;

	for (i = 0; i < NITEMS(net) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, net[i], 0);
	for (i = 0; i < NITEMS(families) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    equals(0, (uint64_t)families[i]));
	return rc;
}

static int
enter(bool disk, bool network)
{
	scmp_filter_ctx ctx;
	int rc;

	ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL) {
		errno = ENOMEM;
		return -1;
	}
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1);
	if (rc == 0)
		rc = allow_all(ctx);
	if (rc == 0)
		rc = allow_some(ctx);
	if (rc == 0 && disk)
		rc = allow_disk(ctx);
	if (rc == 0 && network)
		rc = allow_network(ctx);
	if (rc == 0)
		rc = refuse_some(ctx);
	if (rc == 0)
		rc = allow_sanitizer(ctx);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	if (rc != 0) {
		errno = -rc;
		return -1;
	}
	return 0;
}

int
sandbox_engine(void)
{
	return enter(false, false);
}

int
sandbox_qdevice(bool network)
{
	return enter(!network, network);
}
