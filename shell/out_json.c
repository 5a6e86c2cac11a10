/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * An answer as one JSON object on one line.  Names are the daemon's; 64-bit
 * identifiers are strings, times are RFC 3339 in UTC.
 */

#include <time.h>

#include "shell.h"

#define JSON_API 1

/*
 * What is no UTF-8 becomes U+FFFD, and control characters are escaped: the
 * line is valid JSON whatever a peer has sent, and harmless on a terminal.
 */
void
json_string(FILE *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned len;

	fputc('"', out);
	while (*p != '\0') {
		len = text_rune((const char *)p);
		if (len > 1) {
			fwrite(p, 1, len, out);
			p += len;
			continue;
		}
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (len == 1)
			fputc(*p, out);
		else if (*p < 0x80)
			fprintf(out, "\\u%04x", *p);
		else if (*p == 0xc2 && (p[1] & 0xe0) == 0x80)
			fprintf(out, "\\u%04x", *++p);
		else
			fputs("\\ufffd", out);
		p++;
	}
	fputc('"', out);
}

static void
json_field(FILE *out, const struct cl_field *f)
{
	char text[64];

	if (strcmp(f->name, "time_us") == 0 && f->type == CL_F_U64) {
		text_time(text, sizeof(text), f->num);
		fputs("\"time\":", out);
		json_string(out, text);
		return;
	}
	json_string(out, f->name);
	fputc(':', out);
	switch (f->type) {
	case CL_F_STR:
		json_string(out, f->str);
		break;
	case CL_F_U64:
		fprintf(out, "%llu", (unsigned long long)f->num);
		break;
	case CL_F_BOOL:
		fputs(f->num != 0 ? "true" : "false", out);
		break;
	case CL_F_ID:
		fprintf(out, "\"%llx\"", (unsigned long long)f->num);
		break;
	case CL_F_NULL:
		fputs("null", out);
		break;
	}
}

void
json_table(FILE *out, const struct shell *sh, const char *command,
    const struct table *t)
{
	const struct cl_field *f;
	struct timespec ts;
	char now[64];
	unsigned i, j, n;

	clock_gettime(CLOCK_REALTIME, &ts);
	text_time(now, sizeof(now),
	    (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
	fprintf(out, "{\"api\":%d,\"cluster\":", JSON_API);
	json_string(out, cl_cluster(sh->cl));
	fputs(",\"node\":", out);
	json_string(out, sh->node);
	fputs(",\"time\":", out);
	json_string(out, now);
	fprintf(out,
	    ",\"epoch\":%llu,\"command\":", (unsigned long long)sh->epoch);
	json_string(out, command);
	fputs(",\"data\":[", out);
	for (i = 0; i < table_rows(t); i++) {
		f = table_get(t, i, &n);
		fputs(i == 0 ? "{" : ",{", out);
		for (j = 0; j < n; j++) {
			if (j > 0)
				fputc(',', out);
			json_field(out, &f[j]);
		}
		fputc('}', out);
	}
	fputs("]}\n", out);
}
