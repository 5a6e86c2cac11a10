# Links, sessions, streams and what seals them.
$(foreach t,wire seal stream,$(call test,regress/unit/$(t)_test,regress/unit/$(t)_test.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium))
$(foreach t,link link_keys link_mtu link_policy link_relay beat,$(call test,regress/unit/$(t)_test,regress/unit/$(t)_test.c regress/unit/link_world.c clusterd/log.c,$(O)/clusterd/libcore.a -lsodium))
