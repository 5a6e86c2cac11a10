/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What this build speaks.  A session uses the highest version and the
 * features that both of its ends have; a view has the features that all of
 * its members have, agreed when it is formed, and none is switched on or off
 * before the next view.  What two peers alone must understand asks for the
 * session's; what is ordered or replicated asks for the view's.
 *
 * FEATURE_AES is of sessions only: it depends on the machine, and nothing that
 * is ordered or replicated does.
 *
 * A view without a feature may follow one with it.  So what a feature puts
 * into replicated state or on the disk must have a form without it, which is
 * written from the next view on.
 *
 * WIRE_NEXT builds the version after this one, for tests of mixed clusters
 * only: it pads, with a frame in version 2 and with a record of the order in
 * views that have the feature.  And a node can be told to lack features, as an
 * older build would (node_config.lacks).
 *
 * clusterd-protocol(7), section 1.3.
 */

#ifndef CORE_VERSION_H
#define CORE_VERSION_H

#include <stdint.h>

#define WIRE_HEADER_VERSION 1		/* of header and preamble; it stays */
#define WIRE_VERSION_MIN 1		/* oldest we still speak */
/* INSTALL and FLUSH have the options of quorum; an order may set them. */
#define FEATURE_OPTIONS	UINT64_C(1)
/* A sender gets the place of a message of its own without the message. */
#define FEATURE_YOURS	UINT64_C(4)
/* A new key is given up only with every node there, each with both keys. */
#define FEATURE_ABORT	UINT64_C(8)
/* Who was lost and may go on is fenced, whatever it used: view_forks(). */
#define FEATURE_FORK	UINT64_C(16)
/* An order to fence who is in no view is done, whatever was done before. */
#define FEATURE_AGAIN	UINT64_C(32)
/* Feature bits we have, in views, too. */
#define FEATURES \
	(FEATURE_OPTIONS | FEATURE_YOURS | FEATURE_ABORT | FEATURE_FORK | \
	    FEATURE_AGAIN)
#ifdef WIRE_NEXT
#define WIRE_VERSION	2
#define FEATURE_PAD	UINT64_C(2)
#define WIRE_FEATURES	(FEATURES | FEATURE_PAD)
#else
#define WIRE_VERSION	1		/* newest we speak */
#define WIRE_FEATURES	FEATURES
#endif
#define FEATURE_AES	(UINT64_C(1) << 32) /* opens WV_ENGINE_AES */

#endif /* CORE_VERSION_H */
