/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Single values of the file: numbers, switches, durations, words, texts.
 * Only spellings that every version of YAML reads alike are taken: no octal,
 * no yes and no, no bare number where a unit decides.
 */

#include <stdio.h>

#include "conf_yaml.h"

static const char *const kinds[] = {
	[Y_SCALAR] = "a single value",
	[Y_SEQ] = "a list",
	[Y_MAP] = "a map",
};

/*
 * Empty values are a kind of their own: most come from a line whose lower
 * lines were commented out.
 */
bool
walk_kind(struct walk *w, const struct ynode *y, enum ykind kind,
    const char *needs)
{
	char path[YPATH_LEN];
	const char *is = kinds[y->kind];

	if (y->kind == kind)
		return true;
	if (y->kind == Y_SCALAR && y->plain && y->text[0] == '\0')
		is = "empty";
	report_fix(report_add(w->r, "E005", ynode_place(y), "%s is %s",
		       ynode_path(y, path, sizeof(path)), is),
	    "it needs %s", needs);
	return false;
}

/* ~ is YAML's other way to write nothing. */
const char *
walk_scalar(struct walk *w, const struct ynode *y, const char *needs)
{
	char path[YPATH_LEN];

	if (!walk_kind(w, y, Y_SCALAR, needs))
		return NULL;
	if (!y->plain || (y->text[0] != '\0' && strcmp(y->text, "~") != 0))
		return y->text;
	report_fix(report_add(w->r, "E005", ynode_place(y), "%s has no value",
		       ynode_path(y, path, sizeof(path))),
	    "it needs %s", needs);
	return NULL;
}

/*
 * The arrays of struct conf are as long as the limits: nothing is stored from
 * a map or list that is too long.
 */
bool
walk_count(struct walk *w, const struct ynode *y, unsigned max)
{
	char path[YPATH_LEN];

	if (y->nitems <= max)
		return true;
	report_add(w->r, "E007", ynode_place(y),
	    "%s has %u entries, the most is %u",
	    ynode_path(y, path, sizeof(path)), y->nitems, max);
	return false;
}

bool
walk_name(struct walk *w, const struct ynode *y, char *dst, size_t size)
{
	if (conf_name_ok(y->key->text) &&
	    strlcpy(dst, y->key->text, size) < size)
		return true;
	report_fix(report_add(w->r, "E020", y->key->at,
		       "\"%.60s\" cannot be a name", y->key->text),
	    "1 to %d letters, digits, _ and -, not starting with -",
	    CONF_NAME_MAX);
	return false;
}

/* Digits only, without a leading zero; at most 12 of them. */
static bool
digits(const char *s, size_t n, uint64_t *v)
{
	size_t i;

	if (n == 0 || n > 12 || (n > 1 && s[0] == '0'))
		return false;
	for (*v = 0, i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		*v = *v * 10 + (uint64_t)(s[i] - '0');
	}
	return true;
}

/* Members differ in size, the ranges of the keys keep values within them. */
static void
store(const struct key *k, void *obj, uint64_t v)
{
	void *p = (uint8_t *)obj + k->off;

	switch (k->size) {
	case sizeof(uint8_t):
		*(uint8_t *)p = (uint8_t)v;
		break;
	case sizeof(uint16_t):
		*(uint16_t *)p = (uint16_t)v;
		break;
	case sizeof(uint32_t):
		*(uint32_t *)p = (uint32_t)v;
		break;
	default:
		ASSERT(k->size == sizeof(uint64_t));
		*(uint64_t *)p = v;
		break;
	}
}

/* Also refuses 010, which is eight to one YAML version and ten to the next. */
void
set_uint(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	char path[YPATH_LEN];
	struct conf_error *e;
	const char *s;
	uint64_t v = 0;
	bool minus;

	s = walk_scalar(w, y, "a number");
	if (s == NULL)
		return;
	ynode_path(y, path, sizeof(path));
	minus = s[0] == '-';
	if (!y->plain || !digits(s + minus, strlen(s + minus), &v)) {
		e = report_add(w->r, "E005", y->at,
		    "%s is \"%.60s\", not a plain number", path, s);
		report_hint(e, "write %llu to %llu, without quotes",
		    (unsigned long long)k->min, (unsigned long long)k->max);
		return;
	}
	if (minus || v < k->min || v > k->max) {
		e = report_add(w->r, "E007", y->at, "%s is %s, out of range",
		    path, s);
		report_hint(e, "write %llu to %llu", (unsigned long long)k->min,
		    (unsigned long long)k->max);
		return;
	}
	store(k, obj, v);
}

/* yes, on and the like are words to YAML 1.2 and switches to YAML 1.1. */
void
set_bool(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	static const char *const yes[] = { "yes", "on", "y", "1", "True",
		"TRUE", "Yes", "On" };
	char path[YPATH_LEN];
	const char *s;
	bool v, like_yes = false;
	size_t i;

	s = walk_scalar(w, y, "true or false");
	if (s == NULL)
		return;
	v = strcmp(s, "true") == 0;
	if (y->plain && (v || strcmp(s, "false") == 0)) {
		*(bool *)((uint8_t *)obj + k->off) = v;
		return;
	}
	for (i = 0; i < NITEMS(yes); i++)
		like_yes = like_yes || strcmp(s, yes[i]) == 0;
	report_hint(report_add(w->r, "E005", y->at,
			"%s is \"%.60s\", not true or false",
			ynode_path(y, path, sizeof(path)), s),
	    "write %s", v || like_yes ? "true" : "false");
}

static const struct {
	const char *name;
	uint64_t us;
} units[] = {
	{ "us", 1 },
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "m", 60000000 },
	{ "h", 3600000000 },
};

/* For messages: the largest unit that is exact, 0s for nothing. */
static void
format_duration(char *buf, size_t size, uint64_t us)
{
	size_t i = NITEMS(units) - 1;

	while (i > 0 && us % units[i].us != 0)
		i--;
	if (us == 0)
		i = 2;
	(void)snprintf(buf, size, "%llu%s",
	    (unsigned long long)(us / units[i].us), units[i].name);
}

/* A text that is no duration: say which part is missing. */
static void
no_duration(struct walk *w, const struct ynode *y, size_t ndigits)
{
	char path[YPATH_LEN];
	struct conf_error *e;

	ynode_path(y, path, sizeof(path));
	if (ndigits > 0 && ndigits <= 12 && y->text[ndigits] == '\0') {
		e = report_add(w->r, "E006", y->at, "%s needs a unit", path);
		report_hint(e, "write %sms (or %ss)", y->text, y->text);
	} else if (ndigits > 0 && y->text[ndigits] != '.') {
		e = report_add(w->r, "E006", y->at,
		    "%s is \"%.60s\", which has no known unit", path, y->text);
		report_hint(e, "the units are us, ms, s, m, h");
	} else {
		e = report_add(w->r, "E005", y->at,
		    "%s is \"%.60s\", not a duration", path, y->text);
		report_hint(e, "write a whole number and a unit, as in 300ms");
	}
}

/* The range is checked by division, since the product may not fit. */
void
set_duration(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	char path[YPATH_LEN], lo[32], hi[32];
	const char *s;
	uint64_t v = 0;
	size_t i, n;

	s = walk_scalar(w, y, "a duration such as 300ms");
	if (s == NULL)
		return;
	n = strspn(s, "0123456789");
	for (i = 0; i < NITEMS(units); i++) {
		if (strcmp(s + n, units[i].name) == 0)
			break;
	}
	if (i == NITEMS(units) || !digits(s, n, &v)) {
		no_duration(w, y, n);
		return;
	}
	if (v > k->max / units[i].us || v * units[i].us < k->min) {
		format_duration(lo, sizeof(lo), k->min);
		format_duration(hi, sizeof(hi), k->max);
		report_hint(report_add(w->r, "E007", y->at,
				"%s is %s, out of range",
				ynode_path(y, path, sizeof(path)), s),
		    "write %s to %s", lo, hi);
		return;
	}
	store(k, obj, v * units[i].us);
}

/* The enum has the order of the words. */
void
set_word(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	char path[YPATH_LEN], all[128] = "";
	const char *s, *near = NULL;
	struct conf_error *e;
	unsigned i, best;

	s = walk_scalar(w, y, "a word");
	if (s == NULL)
		return;
	best = conf_near_limit(s);
	for (i = 0; k->words[i] != NULL; i++) {
		if (strcmp(s, k->words[i]) == 0) {
			store(k, obj, i);
			return;
		}
		if (conf_nearer(s, k->words[i], &best))
			near = k->words[i];
		strlcat(all, i == 0 ? "" : ", ", sizeof(all));
		strlcat(all, k->words[i], sizeof(all));
	}
	e = report_add(w->r, "E008", y->at, "%s is \"%.60s\", not one of: %s",
	    ynode_path(y, path, sizeof(path)), s, all);
	if (near != NULL)
		report_hint(e, "did you mean \"%s\"?", near);
}

/* Too long is an error and never a cut: a shorter path is another path. */
void
set_text(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	char path[YPATH_LEN];
	struct conf_error *e;
	const char *s;

	s = walk_scalar(w, y, k->rule);
	if (s == NULL)
		return;
	ynode_path(y, path, sizeof(path));
	if (!k->ok(s)) {
		e = report_add(w->r, k->code, y->at, "%s is %s%.60s%s", path,
		    k->secret ? "" : "\"", k->secret ? "unfit" : s,
		    k->secret ? "" : "\"");
		report_fix(e, "it needs %s", k->rule);
		e->secret = k->secret;
		return;
	}
	if (strlcpy((char *)obj + k->off, s, k->size) >= k->size) {
		memset((char *)obj + k->off, 0, k->size);
		e = report_add(w->r, "E007", y->at,
		    "%s has %zu characters, the most is %zu", path, strlen(s),
		    k->size - 1);
		e->secret = k->secret;
	}
}

/* {file: PATH}, for what must not stand in the file itself. */
void
set_file(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	struct key keys[2];

	if (!walk_kind(w, y, Y_MAP, "{file: PATH}"))
		return;
	memset(keys, 0, sizeof(keys));
	keys[0].name = "file";
	keys[0].set = set_text;
	keys[0].off = k->off;
	keys[0].size = k->size;
	keys[0].required = true;
	keys[0].ok = conf_path_ok;
	keys[0].code = "E008";
	keys[0].rule = "an absolute path";
	keys[0].example = "file: /etc/cluster/key";
	walk_map(w, y, keys, obj);
}

void
set_map(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	walk_map(w, y, k->sub, obj);
}
