/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A daemon for tests of libclusterd: the real framing (msg.h) on a real
 * socket in the test's own directory, and whatever the test wants to say.
 */

#ifndef FAKE_DAEMON_H
#define FAKE_DAEMON_H

#include "clusterd/libclusterd/clusterd.h"
#include "clusterd/msg.h"
#include "clusterd/proto.h"

#define FAKE_SOCKET	"fake.sock"
#define FAKE_NODE	7	/* what fake_connect() says we are */
#define FAKE_CLIENT	12

/* A part that runs beside a synchronous call; msgchan is the daemon's end. */
struct fake_part;

/* Listens on FAKE_SOCKET; a later call replaces it. */
int	 fake_listen(void);
/* Accepts one connection. */
void	 fake_accept(int listener, struct msgchan *);
/* Accepts, reads the greeting, answers it, and connects *cl to it. */
struct cl *fake_connect(struct msgchan *);
/* Both ends. */
void	 fake_close(struct cl *, struct msgchan *);

/* Runs fn(channel, arg) beside the caller until fake_join(). */
struct fake_part *fake_run(struct msgchan *, void (*fn)(struct msgchan *,
	    void *), void *arg);
void	 fake_join(struct fake_part *);

/* Waits for the next message from the program; fails the test without one. */
void	 fake_recv(struct msgchan *, struct msg *);
/* The same, and it must be of this type. */
void	 fake_expect(struct msgchan *, uint32_t type, struct msg *);
/* Sends, and frees the payload. */
void	 fake_send(struct msgchan *, uint32_t type, uint32_t id,
	    struct wbuf *);
/* The program is sent this message cut at every length. */
void	 fake_torn(struct msgchan *, struct cl *, uint32_t type,
	    const struct wbuf *);
void	 fake_result(struct msgchan *, uint32_t id, int error, const char *);
/* Is the descriptor readable now? */
bool	 fake_readable(int fd);

#endif /* FAKE_DAEMON_H */
