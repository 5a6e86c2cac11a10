/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "device.h"

/* Ours to say; a device's options cannot override them. */
static bool
reserved(const char *name)
{
	return strcmp(name, "action") == 0 || strcmp(name, "option") == 0 ||
	    strcmp(name, "nodename") == 0;
}

static void
line(struct wbuf *w, const char *name, const char *value)
{
	wbuf_bytes(w, name, strlen(name));
	wbuf_bytes(w, "=", 1);
	wbuf_bytes(w, value, strlen(value));
	wbuf_bytes(w, "\n", 1);
}

/* The first line of a small file that nobody but its owner can read. */
static bool
read_secret(const char *path, char *value, size_t size, char *why,
    size_t whysize)
{
	struct stat st;
	ssize_t n;
	size_t len;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1) {
		snprintf(why, whysize, "%s: %s", path, strerror(errno));
		if (fd != -1)
			close(fd);
		return false;
	}
	n = S_ISREG(st.st_mode) ? read(fd, value, size - 1) : -1;
	close(fd);
	if (n <= 0) {
		snprintf(why, whysize, "%s: no secret in it", path);
		return false;
	}
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		snprintf(why, whysize, "%s: others can read it (mode %04o)",
		    path, (unsigned)(st.st_mode & 07777));
		explicit_bzero(value, size);
		return false;
	}
	value[n] = '\0';
	len = strcspn(value, "\r\n");
	if (len == 0 || (len == (size_t)n && (size_t)n == size - 1)) {
		snprintf(why, whysize, "%s: its first line is %s", path,
		    len == 0 ? "empty" : "too long");
		explicit_bzero(value, size);
		return false;
	}
	value[len] = '\0';
	return true;
}

static bool
option(const struct conf_option *o, struct wbuf *w, struct device_secrets *s,
    char *why, size_t whysize)
{
	char value[CONF_PATH_LEN];
	bool ok = true;

	if (o->hidden) {
		snprintf(why, whysize, "option %s: its value is hidden here",
		    o->name);
		return false;
	}
	if (o->file)
		ok = read_secret(o->value, value, sizeof(value), why, whysize);
	else
		(void)strlcpy(value, o->value, sizeof(value));
	if (ok && (o->file || conf_option_secret(o->name))) {
		if (s->n == DEVICE_SECRETS) {
			snprintf(why, whysize, "too many secrets");
			ok = false;
		} else
			(void)strlcpy(s->value[s->n++], value,
			    sizeof(s->value[0]));
	}
	/* A value never starts a line of its own. */
	if (ok && strpbrk(value, "\r\n") != NULL) {
		snprintf(why, whysize, "option %s: more than one line",
		    o->name);
		ok = false;
	}
	if (ok)
		line(w, o->name, value);
	explicit_bzero(value, sizeof(value));
	return ok;
}

static bool
has_option(const struct conf_device *d, const char *name)
{
	unsigned i;

	for (i = 0; i < d->noptions; i++)
		if (strcmp(d->options[i].name, name) == 0)
			return true;
	return false;
}

bool
device_input(const struct conf_device *d, const struct conf_node *victim,
    const char *action, struct wbuf *w, struct device_secrets *s, char *why,
    size_t whysize)
{
	const char *plug = victim->name;
	unsigned i;
	int t;

	s->n = 0;
	t = conf_device_target(d, victim->id);
	if (t == -1) {
		snprintf(why, whysize, "node %s is no target of device %s",
		    victim->name, d->name);
		return false;
	}
	if (d->targets[t].port[0] != '\0')
		plug = d->targets[t].port;
	line(w, "action", action);
	line(w, "nodename", victim->name);
	/* Old and new agents have different names for it. */
	if (!has_option(d, "plug"))
		line(w, "plug", plug);
	if (!has_option(d, "port"))
		line(w, "port", plug);
	for (i = 0; i < d->noptions; i++) {
		if (reserved(d->options[i].name))
			continue;
		if (!option(&d->options[i], w, s, why, whysize))
			return false;
	}
	if (w->err) {
		snprintf(why, whysize, "device %s: too many options", d->name);
		return false;
	}
	return true;
}

void
device_redact(const struct device_secrets *s, char *text)
{
	unsigned i;
	size_t len;
	char *p;

	for (i = 0; i < s->n; i++) {
		len = strlen(s->value[i]);
		if (len == 0)
			continue;
		for (p = text; (p = strstr(p, s->value[i])) != NULL; p += len)
			memset(p, '*', len);
	}
}
