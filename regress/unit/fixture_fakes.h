/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Between fixture.c and the link layer it pretends to be. */

#ifndef FIXTURE_FAKES_H
#define FIXTURE_FAKES_H

#include "core/node.h"

enum fake_packet { FAKE_UP = 1, FAKE_DOWN, FAKE_GONE, FAKE_DATA,
	FAKE_RUNS };

/* Does the node use a lockspace, as the story has it? */
bool	 fixture_used(const struct conf *, uint16_t node);

#endif /* FIXTURE_FAKES_H */
