/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The only blocking points of the file system.  One event-loop thread runs
 * every operation as a fiber; a fiber gives the thread away only inside the
 * functions below.  Between two of them nothing else runs, so the core of
 * the file system needs no locks.  Two hosts exist: env_host.c (libevent, a
 * few threads that only move bytes to and from the disk) and env_sim.c
 * (synchronous, virtual time, for tests and the simulator).
 */

#ifndef GFS_ENV_H
#define GFS_ENV_H

#include "compat.h"

struct env;
struct fiber;

/* Fibers that wait for the same thing, first come first served. */
struct waitq {
	TAILQ_HEAD(, fiber)	 fibers;
};

void	 waitq_init(struct waitq *);

/* Disk requests in flight together; zero it with iobatch_init(). */
struct iobatch {
	unsigned	 pending;
	int		 error;		/* errno of the first failure, or 0 */
	struct waitq	 done;
};

enum io_op { IO_READ = 0, IO_WRITE, IO_FLUSH, IO_WRITE_FUA };

/* What a host provides; all calls come from the loop's thread. */
struct env_ops {
	uint64_t (*now)(struct env *);		/* microseconds, monotonic */
	uint64_t (*wall_ns)(struct env *);	/* nanoseconds since 1970 */
	/*
	 * Starts one request.  Its end is reported by env_io_done(), later or
	 * before this returns.  buf stays valid until then.
	 */
	void	 (*submit)(struct env *, int fd, enum io_op, uint64_t off,
		    void *buf, size_t len, struct iobatch *);
	/* The scheduler's next deadline changed (UINT64_MAX: none). */
	void	 (*arm)(struct env *, uint64_t deadline_us);
	/* A fiber became runnable from outside env_run(): call env_run() soon. */
	void	 (*kick)(struct env *);
	void	 (*destroy)(struct env *);
};

struct env *env_new(const struct env_ops *, void *host);
void	*env_host(struct env *);
void	 env_free(struct env *);	/* no fiber may be alive */

/*
 * Starts fn(arg) as a fiber; it runs at the next env_run().  Returns NULL
 * when memory is out.  name is for diagnostics and must outlive the fiber.
 */
struct fiber *env_spawn(struct env *, void (*fn)(void *), void *arg,
	    const char *name);
/* Runs every runnable fiber and every expired deadline; the host's duty. */
void	 env_run(struct env *);
/* The host's timer went off and is not armed any more; before env_run(). */
void	 env_fired(struct env *);
uint64_t env_deadline(const struct env *);	/* UINT64_MAX: none */
unsigned env_fibers(const struct env *);	/* alive */

/* From here on: only inside a fiber, unless said otherwise. */
struct env *env_self(void);	/* the running fiber's env */
/* One pointer per fiber, for log.c: the open transaction. NULL at start. */
void	*env_local(void);
void	 env_set_local(void *);
uint64_t env_now(struct env *);		/* anywhere */
uint64_t env_wall_ns(struct env *);	/* anywhere */
void	 env_yield(struct env *);
void	 env_sleep(struct env *, uint64_t us);
/*
 * Waits until woken or until deadline_us (UINT64_MAX: for ever).  Returns 0,
 * or ETIMEDOUT.  The caller re-checks its condition after waking.
 */
int	 env_wait(struct env *, struct waitq *, uint64_t deadline_us);
void	 env_wake_one(struct env *, struct waitq *);	/* anywhere */
void	 env_wake_all(struct env *, struct waitq *);	/* anywhere */

void	 iobatch_init(struct iobatch *);
void	 env_submit(struct env *, int fd, enum io_op, uint64_t off, void *buf,
	    size_t len, struct iobatch *);
/* Waits for all of the batch; returns 0 or the first error. */
int	 env_io_wait(struct env *, struct iobatch *);
/* The host reports the end of one request; anywhere in the loop's thread. */
void	 env_io_done(struct env *, struct iobatch *, int error);

/* env_host.c: a libevent base (struct event_base *) and nthreads helpers. */
struct env *env_host_new(void *event_base, unsigned nthreads);
/* env_sim.c: synchronous I/O, time moves only when every fiber waits. */
struct env *env_sim_new(void);
/*
 * From now on a request ends after 1 to max_us of virtual time, drawn from
 * the seed; 0 ends it at once (the start).  For tests of interleavings.
 */
void	 env_sim_latency(struct env *, unsigned max_us, uint64_t seed);
/* Called at the start (ended false) and at the end of each request; id grows. */
typedef void (*env_sim_tracer)(void *arg, uint64_t id, bool ended,
	    enum io_op, uint64_t off, const void *data, size_t len);
void	 env_sim_trace(struct env *, env_sim_tracer, void *arg);
/* Runs until no fiber is runnable and no deadline is pending, or until done. */
void	 env_sim_run(struct env *, const bool *done);

#endif /* GFS_ENV_H */
