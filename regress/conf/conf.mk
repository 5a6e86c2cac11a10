CONF_LINK := $(CONF_SRCS) clusterd/log.c
CONF_LIBS := $(O)/clusterd/libcore.a -lyaml -lsodium

$(call prog,regress/conf/confcheck,regress/conf/confcheck.c $(CONF_LINK),$(CONF_LIBS))
