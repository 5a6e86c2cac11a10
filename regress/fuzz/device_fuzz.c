/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The blocks of the quorum device, which any node of any version, or a foreign
 * program, may have written.
 *
 * Input: u8 flags.  With flags & 1 a memory follows: if it can be read it can be
 * written again.  Else an answer of the shell, as event.h has it: a device that
 * has never been read takes it, is asked for a promise, and takes it again.
 */

#include "core/member_internal.h"
#include "fuzz.h"

#define SELF  1
#define EPOCH 40

/* The one request that it has made, and the number of it; 0: none. */
static uint64_t
wants(struct bus *bus)
{
	struct note *n;
	uint64_t req = 0;

	while ((n = bus_take(bus)) != NULL) {
		if (n->type == NOTE_DEVICE) {
			ASSERT(req == 0 &&
			    n->len <= DEVICE_UUID + DEVICE_BODY_MAX);
			req = n->seq;
		}
		free(n);
	}
	return req;
}

static void
give(struct device *d, struct bus *bus, uint64_t req, const uint8_t *data,
    size_t len)
{
	struct note *n = calloc(1, sizeof(*n) + len + 1);

	ASSERT(n != NULL);
	n->seq = req;
	n->ok = true;
	n->len = len;
	memcpy(n->data, data, len);
	device_note(d, n, bus);
	free(n);
}

static void
memory(const uint8_t *data, size_t len)
{
	static struct device_memory dm;
	struct rbuf r;
	struct wbuf w;

	rbuf_init(&r, data, len);
	if (!get_memory(&r, &dm))
		return;
	wbuf_init(&w, len);
	put_memory(&w, &dm);
	ASSERT(!w.err);
	wbuf_free(&w);
}

static void
answers(const uint8_t *data, size_t len)
{
	struct conf *conf = conf_new();
	struct device *d = malloc(sizeof(*d));
	struct bus bus;
	uint64_t req;
	unsigned i;

	ASSERT(conf != NULL && d != NULL);
	conf->qdevice.votes = 1;
	conf->qdevice.timeout_us = 1000000;
	bus_init(&bus);
	bus.now = 1000;
	device_init(d, conf, SELF);
	device_start(d, 0, &bus);
	req = wants(&bus);
	ASSERT(req != 0);
	give(d, &bus, req, data, len);
	device_ask(d, EPOCH, &bus);
	for (i = 0; i < 4 && (req = wants(&bus)) != 0; i++)
		give(d, &bus, req, data, len);
	ASSERT(d->state == DEVICE_ASKED || d->state == DEVICE_PROMISED ||
	    d->state == DEVICE_REFUSED || d->state == DEVICE_FAILED);
	if (d->state == DEVICE_PROMISED)
		device_record(d, "x", 1, &bus);
	bus_clear(&bus);
	free(d);
	conf_free(conf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > 0 && (data[0] & 1) != 0)
		memory(data + 1, len - 1);
	else if (len > 0)
		answers(data + 1, len - 1);
	return 0;
}
