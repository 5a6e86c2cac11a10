/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <errno.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

enum sink {
	SINK_STDERR,
	SINK_JOURNAL,
	SINK_SYSLOG
};

static struct {
	char name[32];
	enum sink sink;
	bool verbose;
} logger = { .name = "clusterd" };

void
log_init(const char *name, bool foreground, bool verbose)
{
	strlcpy(logger.name, name, sizeof(logger.name));
	logger.verbose = verbose;
	if (foreground)
		logger.sink = SINK_STDERR;
	else if (getenv("JOURNAL_STREAM") != NULL)
		logger.sink = SINK_JOURNAL;
	else {
		logger.sink = SINK_SYSLOG;
		openlog(logger.name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	}
}

void
log_setverbose(bool verbose)
{
	logger.verbose = verbose;
}

bool
log_getverbose(void)
{
	return logger.verbose;
}

static void
emit(int pri, const char *text)
{
	struct timespec ts;
	struct tm tm;
	char stamp[32];

	switch (logger.sink) {
	case SINK_SYSLOG:
		syslog(pri, "%s", text);
		break;
	case SINK_JOURNAL:
		fprintf(stderr, "<%d>%s: %s\n", pri, logger.name, text);
		break;
	case SINK_STDERR:
		clock_gettime(CLOCK_REALTIME, &ts);
		gmtime_r(&ts.tv_sec, &tm);
		strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm);
		fprintf(stderr, "%s.%03ld %s[%d]: %s\n", stamp,
		    ts.tv_nsec / 1000000, logger.name, (int)getpid(), text);
		break;
	}
}

/* error < 0: no error text is appended. */
static void PRINTF_LIKE(3, 0)
    vlog(int pri, int error, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[1024];
	size_t len;

	vsnprintf(text, sizeof(text), fmt, ap);
	if (error >= 0) {
		len = strlen(text);
		snprintf(text + len, sizeof(text) - len, ": %s",
		    strerror(error));
	}
	emit(pri, text);
	errno = saved;
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_WARNING, errno, fmt, ap);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_WARNING, -1, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_INFO, -1, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!logger.verbose)
		return;
	va_start(ap, fmt);
	vlog(LOG_DEBUG, -1, fmt, ap);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_CRIT, errno, fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_CRIT, -1, fmt, ap);
	va_end(ap);
	exit(1);
}

void
assert_failed(const char *expr, const char *file, int line)
{
	log_warnx("%s:%d: assertion failed: %s", file, line, expr);
	abort();
}
