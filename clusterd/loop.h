/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The event loop of every process: descriptors, timers, signals.  A thin
 * cover over libevent that knows nothing of clusters (and keeps libevent's
 * own "struct event" apart from the core's).  Callbacks may free any object,
 * also their own.
 */

#ifndef LOOP_H
#define LOOP_H

#include "compat.h"

#define LOOP_READ	0x01u
#define LOOP_WRITE	0x02u

struct loop;
struct loop_io;
struct loop_timer;
struct loop_signal;

/* NULL when the kernel refuses; everything the loop needs is open then. */
struct loop *loop_new(void);
void	 loop_free(struct loop *);
/* Until loop_stop(); after, if any, is called at the end of every turn. */
void	 loop_run(struct loop *, void (*after)(void *arg), void *arg);
/* One turn: waits for something and handles it. */
void	 loop_once(struct loop *);
void	 loop_stop(struct loop *);

/* Level triggered. want: LOOP_* mask; fd stays the caller's. */
struct loop_io *loop_io_new(struct loop *, int fd, unsigned want,
	    void (*fn)(void *arg, unsigned what), void *arg);
void	 loop_io_want(struct loop_io *, unsigned want);
void	 loop_io_free(struct loop_io *);	/* NULL is fine */

/* Idle until set; fires once per loop_timer_set(). */
struct loop_timer *loop_timer_new(struct loop *, void (*fn)(void *arg),
	    void *arg);
void	 loop_timer_set(struct loop_timer *, uint64_t after_us);
void	 loop_timer_stop(struct loop_timer *);
void	 loop_timer_free(struct loop_timer *);	/* NULL is fine */

struct loop_signal *loop_signal_new(struct loop *, int signo,
	    void (*fn)(void *arg), void *arg);
void	 loop_signal_free(struct loop_signal *);

uint64_t clock_boot_us(void);	/* monotonic, counts suspend */
uint64_t clock_wall_us(void);	/* since 1970 */

#endif /* LOOP_H */
