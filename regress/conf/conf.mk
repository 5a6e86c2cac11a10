CONF_LINK := $(CONF_SRCS) clusterd/log.c
CONF_LIBS := $(O)/clusterd/libcore.a -lyaml -lsodium

$(call prog,regress/conf/confcheck,regress/conf/confcheck.c $(CONF_LINK),$(CONF_LIBS))
$(call test,regress/conf/conf_test,regress/conf/conf_test.c $(CONF_LINK),$(CONF_LIBS))
$(call test,regress/conf/conf_msg_test,regress/conf/conf_msg_test.c clusterd/log.c,$(CONF_LIBS))

CFLAGS_regress_conf_conf_test := -DCONF_DIR='"$(CURDIR)/regress/conf"'

.PHONY: conf-golden
conf-golden: $(O)/regress/conf/confcheck
	regress/conf/update.sh $<
