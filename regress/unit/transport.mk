# Links, sessions, streams and what seals them.
$(foreach t,wire seal stream link,$(call test,regress/unit/$(t)_test,regress/unit/$(t)_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium))
