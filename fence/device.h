/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* What an agent is told about its device and its victim. */

#ifndef FENCE_DEVICE_H
#define FENCE_DEVICE_H

#include "conf.h"

#define DEVICE_INPUT_MAX 65536
#define DEVICE_SECRETS	 16

/* Values that must not appear in anything we say. */
struct device_secrets {
	unsigned n;
	char	 value[DEVICE_SECRETS][CONF_PATH_LEN];
};

/*
 * Appends the lines for one run: action ("off", "status"), the victim, its
 * plug, the options; secrets in files are read now.  Returns false with the
 * reason in why; secrets is filled in as far as they are known either way.
 */
bool	 device_input(const struct conf_device *,
	    const struct conf_node *victim, const char *action, struct wbuf *,
	    struct device_secrets *, char *why, size_t whysize);
/* Replaces each secret in text by asterisks. */
void	 device_redact(const struct device_secrets *, char *text);

#endif /* FENCE_DEVICE_H */
