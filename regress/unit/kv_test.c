/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the key-value set over whole nodes: changes and conditions in one
 * order, watches without gaps, values that go with their owner, alone or with
 * its node, nodes that join later, and limits.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/kv.h"
#include "story.h"

static uint64_t version; /* of the entry told last */

static void
entry(struct rbuf *r, char *text, size_t size)
{
	char key[KV_KEY_MAX + 1];
	const uint8_t *data;
	unsigned owner;
	size_t len;

	version = rbuf_u64(r);
	owner = rbuf_u16(r);
	(void)rbuf_u64(r);
	rbuf_str(r, key, sizeof(key));
	data = rbuf_blob(r, &len, KV_VALUE_MAX);
	ATF_REQUIRE(rbuf_done(r));
	len = len > 16 ? 16 : len;
	snprintf(text, size, "%s=%.*s", key, (int)len, (const char *)data);
	if (owner != 0)
		snprintf(text + strlen(text), size - strlen(text), "@%u",
		    owner);
}

static void
tell(uint16_t id, uint64_t client, uint32_t type, struct rbuf *r)
{
	char text[256] = "";
	uint32_t number = rbuf_u32(r);
	unsigned what;

	if (type == M_KV_READY) {
		story_word(id, client, "ready%u ", number);
	} else if (type == M_KV_ENTRY) {
		what = rbuf_u8(r);
		entry(r, text, sizeof(text));
		story_word(id, client, "%u%c%s ", number,
		    what == KV_IS ? '+' : '-', text);
	} else if (type == M_KV_DONE) {
		rbuf_str(r, text, sizeof(text));
		text[0] = '\0';
		if (rbuf_u8(r) != 0)
			entry(r, text, sizeof(text));
		story_word(id, client, "%u(%s) ", number, text);
	}
}

static void
put_if(struct fix *fx, uint16_t id, const char *key, const char *value,
    unsigned flags, uint64_t at)
{
	struct wbuf w;

	story_ask(fx, id, PROGRAM, M_KV_PUT, 1,
	    story_put(&w, "bqsd", flags, at, key, value));
}

static void
get(struct fix *fx, uint16_t id, unsigned flags, const char *key)
{
	struct wbuf w;

	story_ask(fx, id, PROGRAM, M_KV_GET, 1,
	    story_put(&w, "bs", flags, key));
}

static void delete (struct fix *fx, uint16_t id, unsigned flags, uint64_t at,
    const char *key)
{
	struct wbuf w;

	story_ask(fx, id, PROGRAM, M_KV_DELETE, 1,
	    story_put(&w, "bqs", flags, at, key));
}

static void
watch(struct fix *fx, uint16_t id, uint32_t wid, unsigned flags,
    const char *prefix)
{
	struct wbuf w;

	story_ask(fx, id, PROGRAM, M_KV_WATCH, wid,
	    story_put(&w, "wbs", wid, flags, prefix));
}

ATF_TC_WITHOUT_HEAD(put_get_delete);
ATF_TC_BODY(put_get_delete, tc)
{
	struct fix *fx = story_start(3, tell);

	get(fx, 2, 0, "a");
	story_expect(2, PROGRAM, "2() ");
	put_if(fx, 1, "a", "1", 0, 0);
	story_expect(1, PROGRAM, "0(a=1) ");
	get(fx, 2, 0, "a");
	get(fx, 3, KV_LOCAL, "a");
	story_expect(2, PROGRAM, "0(a=1) ");
	story_expect(3, PROGRAM, "0(a=1) ");
	put_if(fx, 3, "a", "", 0, 0);
	get(fx, 1, 0, "a");
	story_expect(1, PROGRAM, "0(a=) ");
	delete (fx, 2, 0, 0, "a");
	delete (fx, 2, 0, 0, "a");
	story_expect(2, PROGRAM, "0(a=) 2() ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(conditions);
ATF_TC_BODY(conditions, tc)
{
	struct fix *fx = story_start(2, tell);
	uint64_t first;

	put_if(fx, 1, "a", "1", KV_IF, 0);
	story_expect(1, PROGRAM, "0(a=1) ");
	first = version;
	put_if(fx, 2, "a", "2", KV_IF, 0);
	story_expect(2, PROGRAM, "116(a=1) ");
	put_if(fx, 2, "a", "2", KV_IF, first);
	story_expect(2, PROGRAM, "0(a=2) ");
	ATF_CHECK(version > first);
	put_if(fx, 1, "a", "3", KV_IF, first);
	delete (fx, 1, KV_IF, first, "a");
	story_expect(1, PROGRAM, "116(a=2) 116(a=2) ");
	delete (fx, 1, KV_IF, version, "a");
	put_if(fx, 1, "a", "4", KV_IF, version);
	story_expect(1, PROGRAM, "0(a=2) 116() ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(watches);
ATF_TC_BODY(watches, tc)
{
	struct fix *fx = story_start(2, tell);
	struct wbuf w;

	put_if(fx, 1, "app.x", "1", 0, 0);
	put_if(fx, 1, "other", "2", 0, 0);
	story_forget();
	watch(fx, 2, 5, 0, "app.");
	watch(fx, 2, 6, KV_ONCE, "");
	watch(fx, 2, 5, 0, "");
	story_expect(2, PROGRAM,
	    "5+app.x=1 ready5 6+app.x=1 6+other=2 ready6 error(5 17) ");
	put_if(fx, 1, "app.y", "3", 0, 0);
	put_if(fx, 1, "app.x", "4", 0, 0);
	delete (fx, 1, 0, 0, "app.x");
	put_if(fx, 1, "other", "5", 0, 0);
	story_expect(2, PROGRAM, "5+app.y=3 5+app.x=4 5-app.x=4 ");
	story_ask(fx, 2, PROGRAM, M_KV_UNWATCH, 7, story_put(&w, "w", 5));
	story_ask(fx, 2, PROGRAM, M_KV_UNWATCH, 7, story_put(&w, "w", 6));
	put_if(fx, 1, "app.y", "6", 0, 0);
	story_expect(2, PROGRAM, "error(7 2) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(ephemeral);
ATF_TC_BODY(ephemeral, tc)
{
	struct fix *fx = story_start(4, tell);

	watch(fx, 1, 1, 0, "");
	put_if(fx, 2, "two", "x", KV_EPHEMERAL, 0);
	put_if(fx, 3, "three", "x", KV_EPHEMERAL, 0);
	put_if(fx, 3, "stays", "x", KV_EPHEMERAL, 0);
	put_if(fx, 4, "stays", "y", 0, 0);
	put_if(fx, 3, "also", "x", 0, 0);
	story_expect(1, PROGRAM,
	    "ready1 1+two=x@2 1+three=x@3 1+stays=x@3 1+stays=y 1+also=x ");
	fixture_close(fx, 2, PROGRAM);
	fixture_run(fx, 100 * MS);
	story_expect(1, PROGRAM, "1-two=x@2 ");
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(4));
	story_expect(1, PROGRAM, "1-three=x@3 ");
	/* Whoever comes anew knows of the rest, and of no owner that is dead. */
	fixture_split(fx, BIT(3));
	fixture_start(fx, 3);
	story_open(fx, 3, PROGRAM);
	watch(fx, 3, 1, 0, "");
	get(fx, 3, KV_LOCAL, "also");
	story_expect(3, PROGRAM, "error(1 107) ");
	fixture_heal_all(fx);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3) | BIT(4));
	story_expect(3, PROGRAM, "1+also=x 1+stays=y ready1 ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(limits);
ATF_TC_BODY(limits, tc)
{
	static char big[KV_VALUE_MAX + 1];
	struct fix *fx = story_start(1, tell);
	struct kv_info info = { .key = "" };
	char key[KV_KEY_MAX + 2];
	unsigned i, n = 0;

	memset(big, 'x', KV_VALUE_MAX);
	for (i = 0; i < 64; i++) {
		snprintf(key, sizeof(key), "k%02u", i);
		put_if(fx, 1, key, big, 0, 0);
	}
	story_forget();
	while (kv_info_after(fixture_node(fx, 1)->node->kv, info.key, &info))
		n++;
	ATF_CHECK_EQ(KV_BYTES_MAX / (KV_VALUE_MAX + KV_OVERHEAD + 3), n);
	put_if(fx, 1, "more", big, 0, 0);
	story_expect(1, PROGRAM, "28() ");
	put_if(fx, 1, "k00", "small", 0, 0);
	put_if(fx, 1, "more", "small", 0, 0);
	story_expect(1, PROGRAM, "0(k00=small) 0(more=small) ");
	for (i = 0; i <= KV_WATCHES_MAX; i++)
		watch(fx, 1, i, 0, "none");
	get(fx, 1, 0, "none");
	story_forget();
	watch(fx, 1, 999, 0, "none");
	story_expect(1, PROGRAM, "error(999 28) ");
	memset(key, 'k', sizeof(key));
	key[KV_KEY_MAX + 1] = '\0';
	put_if(fx, 1, key, "x", 0, 0);
	put_if(fx, 1, "", "x", 0, 0);
	put_if(fx, 1, "x", "x", 4, 0);
	story_expect(1, PROGRAM, "error(1 22) error(1 22) error(1 22) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(malformed);
ATF_TC_BODY(malformed, tc)
{
	struct fix *fx = story_start(1, tell);
	struct wbuf w;

	story_malformed(fx, 1, PROGRAM, M_KV_PUT,
	    story_put(&w, "bqsd", 0, UINT64_C(0), "key", "value"));
	story_malformed(fx, 1, PROGRAM, M_KV_DELETE,
	    story_put(&w, "bqs", 0, UINT64_C(0), "key"));
	story_malformed(fx, 1, PROGRAM, M_KV_GET,
	    story_put(&w, "bs", 0, "key"));
	story_malformed(fx, 1, PROGRAM, M_KV_WATCH,
	    story_put(&w, "wbs", 1, 0, "key"));
	story_malformed(fx, 1, PROGRAM, M_KV_UNWATCH, story_put(&w, "w", 1));
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, put_get_delete);
	ATF_TP_ADD_TC(tp, conditions);
	ATF_TP_ADD_TC(tp, watches);
	ATF_TP_ADD_TC(tp, ephemeral);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, malformed);
	return atf_no_error();
}
